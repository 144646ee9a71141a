import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type GitServer, startServer } from "../../helpers/git-servers.ts";
import type { TempGit } from "../../helpers/temp-git.ts";

/** An sshd of this user alone: key, host key and port are made for it, and only git commands are let through. */
export interface SshServer extends GitServer {
  /** What a client needs to reach it without touching anybody's own ssh settings. */
  readonly sshCommand: string;
}

/** Absolute path of sshd, which insists on being called so; null where it is not installed. */
export const findSshd = (): string | null =>
  Bun.which("sshd", { PATH: `${process.env["PATH"]}:/usr/sbin:/usr/local/sbin` });

/** Starts `sshd` on a free port of loopback with the folder of `temp` behind it. */
export async function startSshServer(temp: TempGit, sshd: string): Promise<SshServer> {
  const folder = temp.path("ssh");
  mkdirSync(folder);
  for (const name of ["host-key", "key"]) {
    Bun.spawnSync(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", `${folder}/${name}`]);
  }
  const publicOf = (name: string): string => readFileSync(`${folder}/${name}.pub`, "utf8").trim();
  const forced = `restrict,command="git-shell -c \\"$SSH_ORIGINAL_COMMAND\\""`;
  writeFileSync(`${folder}/authorized_keys`, `${forced} ${publicOf("key")}\n`);
  // Its folder for the part without rights, on systems where no service made it; made by root alone.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });
  const server = await startServer((port) => {
    const [kind, key] = publicOf("host-key").split(" ");
    writeFileSync(`${folder}/known_hosts`, `[127.0.0.1]:${port} ${kind} ${key}\n`);
    writeFileSync(`${folder}/sshd.conf`, configuration(folder, port));
    return [sshd, "-D", "-e", "-f", `${folder}/sshd.conf`];
  }, temp);
  if (server === null) throw new Error(`sshd does not start with ${folder}/sshd.conf`);
  // Bun's own answer is "unknown" where USER is not set.
  const user = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();
  const options = [
    "IdentitiesOnly=yes",
    `UserKnownHostsFile=${folder}/known_hosts`,
    "StrictHostKeyChecking=yes",
  ];
  return {
    ...server,
    url: `ssh://${user}@127.0.0.1:${server.port}${temp.folder}`,
    sshCommand: `ssh -F none -i ${folder}/key ${options.map((option) => `-o ${option}`).join(" ")}`,
  };
}

const configuration = (folder: string, port: number): string => `ListenAddress 127.0.0.1:${port}
HostKey ${folder}/host-key
PidFile none
AuthorizedKeysFile ${folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
`;
