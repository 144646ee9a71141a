/**
 * The sockets on which services tell of themselves (`NOTIFY_SOCKET`). One receiver looks at all of them, only while
 * there are some. What a message says counts only when the kernel names a sender that belongs to the service.
 */
import { createHash } from "node:crypto";
import { chmodSync, chownSync, lstatSync, mkdirSync, rmSync, type Stats } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { causedBy, FleetError, messageOf } from "../../base/errors.ts";
import type { NotifyReceiver } from "../../base/ports/prober.ts";
import { makePrivateFolder } from "../files.ts";
import { isDeadStat, readStat } from "../processes/linux-stat.ts";
import { type Datagram, type DatagramCalls, openDatagramCalls } from "./datagram-calls.ts";

/** Programs have room for 107 bytes in an address; the rest is for what they put before it. */
const PATH_BYTES_MAX = 100;
/** Every Linux has it, also where TMPDIR names a folder whose path is too long. */
const SHORT_TMP = "/tmp";
/** A run is a UUID. */
const RUN_BYTES = 36;
/** How late a message may be heard. Chosen: one call for all sockets so often costs nothing that can be measured. */
const LOOK_MS = 50;
/** So many messages of one service are read at a look; a flood waits for the next one. */
const MESSAGES_MAX = 64;

/** One socket; `listener` is null between its making and the first look at the process. */
interface Place {
  readonly socket: number;
  readonly path: string;
  readonly userId: number | null;
  listener: Listener | null;
}

interface Listener {
  readonly isMember: (pid: number) => boolean;
  readonly onText: (text: string, pid: number) => void;
}

/** Opens the receiver of a daemon whose sockets are in `folder`; null where the system has no such sockets. */
export function openNotifyReceiver(folder: string): NotifyReceiver | null {
  if (process.platform !== "linux") return null;
  try {
    return new NotifySockets(folder, openDatagramCalls());
  } catch {
    // A system that forbids such calls: services that need the socket say so when they are started.
    return null;
  }
}

class NotifySockets implements NotifyReceiver {
  readonly #folder: string;
  readonly #calls: DatagramCalls;
  readonly #places = new Map<string, Place>();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(folder: string, calls: DatagramCalls) {
    this.#folder = folder;
    this.#calls = calls;
  }

  open({ run, userId }: { readonly run: string; readonly userId: number | null }): string {
    const own = this.#ownPath(run);
    // Somebody else cannot enter a folder of this user, so theirs are elsewhere.
    const isOwn = userId === null && Buffer.byteLength(own) <= PATH_BYTES_MAX;
    if (isOwn) makePrivateFolder(this.#folder);
    else makeSharedFolder(this.#sharedFolder());
    const path = isOwn ? own : this.#sharedPath(run);
    this.#bind(run, path, userId);
    return path;
  }

  listen(run: string, isMember: (pid: number) => boolean, onText: (text: string, pid: number) => void): void {
    const place = this.#places.get(run) ?? this.#takeOver(run);
    if (place !== null) place.listener = { isMember, onText };
  }

  end(run: string): void {
    const place = this.#places.get(run);
    if (place === undefined) return;
    this.#places.delete(run);
    this.#calls.close(place.socket);
    rmSync(place.path, { force: true });
    if (this.#places.size === 0) this.#stopLooking();
  }

  close(): void {
    this.#stopLooking();
    for (const { socket } of this.#places.values()) this.#calls.close(socket);
    this.#places.clear();
  }

  #ownPath(run: string): string {
    return join(this.#folder, `${run}.notify`);
  }

  #sharedFolder(): string {
    const name = createHash("sha256").update(this.#folder).digest("hex").slice(0, 12);
    const folders = [tmpdir(), SHORT_TMP].map((tmp) =>
      join(tmp, `fleetd-notify-${process.getuid?.() ?? 0}-${name}`),
    );
    const fits = (folder: string): boolean =>
      Buffer.byteLength(folder) + RUN_BYTES + "/.notify".length <= PATH_BYTES_MAX;
    return folders.find(fits) ?? folders[0] ?? SHORT_TMP;
  }

  #sharedPath(run: string): string {
    return join(this.#sharedFolder(), `${run}.notify`);
  }

  /** Makes the socket of a run anew where an earlier daemon had it; the service goes on writing to the same path. */
  #takeOver(run: string): Place | null {
    for (const path of [this.#ownPath(run), this.#sharedPath(run)]) {
      const found = lookAt(path);
      if (found?.isSocket() !== true) continue;
      return this.#bind(run, path, found.uid === process.getuid?.() ? null : found.uid);
    }
    return null;
  }

  #bind(run: string, path: string, userId: number | null): Place {
    this.end(run);
    if (lookAt(path)?.isSocket() === true) rmSync(path, { force: true });
    const socket = Buffer.byteLength(path) > PATH_BYTES_MAX ? null : this.#calls.open(path);
    if (socket === null) {
      throw new FleetError("CANNOT_CREATE", `Cannot make the socket "${path}": the system refuses it`);
    }
    try {
      chmodSync(path, 0o600);
      if (userId !== null) chownSync(path, userId, -1);
    } catch (thrown) {
      this.#calls.close(socket);
      rmSync(path, { force: true });
      throw causedBy("CANNOT_CREATE", `Cannot give the socket "${path}" away: ${messageOf(thrown)}`, thrown);
    }
    const place: Place = { socket, path, userId, listener: null };
    this.#places.set(run, place);
    if (this.#timer === null) {
      this.#timer = setInterval(() => this.#look(), LOOK_MS);
      this.#timer.unref();
    }
    return place;
  }

  #stopLooking(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    // What is said before anybody listens is kept by the kernel until somebody does.
    const heard = [...this.#places.values()].filter(({ listener }) => listener !== null);
    const readable = this.#calls.readable(heard.map(({ socket }) => socket));
    for (const [index, place] of heard.entries()) if (readable[index] === true) this.#read(place);
  }

  #read({ socket, listener, userId }: Place): void {
    for (let count = 0; count < MESSAGES_MAX; count += 1) {
      const message = this.#calls.receive(socket);
      if (message === null) return;
      const isBelieved =
        message !== "dropped" && (listener?.isMember(message.pid) === true || wasOf(message, userId));
      if (isBelieved) listener?.onText(message.text, message.pid);
      // Whoever heard it may have ended the run, and the number may be another file's by now.
      if (![...this.#places.values()].some((place) => place.socket === socket)) return;
    }
  }
}

/** Whether who sent a message is gone, and was of the user to whom the socket was given. */
const wasOf = ({ pid, userId }: Datagram, ownerId: number | null): boolean =>
  userId === (ownerId ?? process.getuid?.()) && isGone(pid);

/** Or is about to be: without its memory nothing tells any more of which service a process is. */
function isGone(pid: number): boolean {
  const stat = readStat(pid);
  return stat === null || isDeadStat(stat) || stat.residentPages === 0;
}

/** A folder that others may pass through to a socket they know, and neither list nor change. */
function makeSharedFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o711 });
    const found = lstatSync(path);
    if (found.isDirectory() && found.uid === process.getuid?.()) {
      chmodSync(path, 0o711);
      return;
    }
  } catch (thrown) {
    throw causedBy("CANNOT_CREATE", `Cannot create folder "${path}": ${messageOf(thrown)}`, thrown);
  }
  throw new FleetError("NOT_AUTHORISED", `Cannot use folder "${path}": it is somebody else's`);
}

const lookAt = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });
