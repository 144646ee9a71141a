/**
 * git.exe for a Windows that has none: compiled for Windows, it has git run outside of Wine, by `git-server.ts`, and
 * hands its words, input, output and exit code on. Where that listens stands in the file `git-port` beside it.
 */
import { readFileSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { FrameReader, frame, KINDS } from "./frames.ts";

const port = Number(readFileSync(join(dirname(process.execPath), "git-port"), "utf8"));
const socket = connect(port, "127.0.0.1");
const { env } = process;
const environment = Object.fromEntries(Object.entries(env).filter(([name]) => /^(?:GIT_|LC_)/.test(name)));
const call = { words: process.argv.slice(2), cwd: process.cwd(), environment };
socket.write(frame(KINDS.call, JSON.stringify(call)));

const frames = new FrameReader((kind, payload) => {
  if (kind === KINDS.exit) process.exit(Number(new TextDecoder().decode(payload)));
  const descriptor = kind === KINDS.stdout ? 1 : 2;
  for (let at = 0; at < payload.length; ) at += writeSync(descriptor, payload, at);
});
socket.on("data", (bytes: Buffer) => frames.push(bytes));
socket.on("error", () => process.exit(128));
socket.on("close", () => process.exit(128));

for await (const part of Bun.stdin.stream()) socket.write(frame(KINDS.stdin, part));
socket.write(frame(KINDS.stdin, ""));
