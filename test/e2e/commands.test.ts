import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, leftIn, type Running, TempFleet } from "../helpers/temp-fleet.ts";
import { pauseAfter } from "../helpers/temp-git.ts";

type Message = Record<string, unknown> & { id: string; from: string; subject: string; body: string };
const messagesOf = (answer: Answer): Message[] => answer["messages"] as Message[];
const keysOf = (answer: Answer): string[] => Object.keys(answer).toSorted();
const short = (id: unknown): string => String(id).slice(-8);

const MESSAGE_KEYS = [
  "at",
  "body",
  "from",
  "history",
  "id",
  "kind",
  "prev",
  "priority",
  "received_at",
].concat(["seq", "subject", "to", "type", "v"]);

// Every command answers the same with a daemon and without one; only what the daemon itself adds is told apart.
describe.each([["without a daemon"], ["with a daemon"]])("commands %s", (mode) => {
  const hasDaemon = mode === "with a daemon";
  const fleet = new TempFleet();
  const one = { as: "code1" };
  const two = { as: "code2" };
  let daemons: Running[] = [];

  beforeAll(async () => {
    await fleet.init(["code1", "code2"]);
    // Without automatic answers: these tests count messages.
    if (hasDaemon) {
      daemons = await Promise.all(
        ["code1", "code2"].map((server) => fleet.monitor(server, ["--no-auto-reply"])),
      );
    }
  });
  afterAll(() => fleet.remove());

  const send = async (...words: string[]): Promise<Answer> => fleet.json(["send", ...words], one);
  // A daemon takes in what came within moments; a command without one looks itself.
  const arrived = async (id: unknown): Promise<Message> => {
    const deadlineMs = performance.now() + 60_000;
    for (;;) {
      const askedMs = performance.now();
      const found = messagesOf(await fleet.json(["inbox", "--limit", "100"], two)).find(
        (message) => message.id === id,
      );
      if (found !== undefined) return found;
      if (performance.now() > deadlineMs) throw new Error(`message ${String(id)} did not arrive`);
      await pauseAfter(askedMs, 20);
    }
  };

  test("inbox and sent of a new server say that there is nothing", async () => {
    expect(await fleet.text(["inbox"], two)).toBe("code2: 0 unread\nNo messages\n");
    expect(await fleet.text(["inbox", "--unread"], two)).toBe("code2: 0 unread\nNothing unread\n");
    expect(await fleet.text(["sent"], two)).toBe("Nothing sent yet\n");
    expect(await fleet.json(["inbox"], two)).toEqual({
      schema: "fleetd.inbox/1",
      server: "code2",
      unread: 0,
      messages: [],
    });
    expect(await fleet.json(["sent"], two)).toEqual({
      schema: "fleetd.sent/1",
      server: "code2",
      messages: [],
    });
  });

  test("send answers the id, the recipients and the state", async () => {
    const answer = await send("hello", "Greeting", "--to", "code2");
    expect(answer).toEqual({
      schema: "fleetd.send/1",
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      server: "code1",
      to: ["code2"],
      state: "pushed",
      reply: null,
      reason: "",
      unknown: [],
    });
    const message = await arrived(answer["id"]);
    expect(message).toMatchObject({ from: "code1", subject: "Greeting", body: "hello", to: ["code2"] });
  });

  test("send says how far the message got in one line", async () => {
    const said = await fleet.run(["send", "one line", "--to", "code2"], one);
    expect(said).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Pushed: message [0-9a-f]{8} to code2\n$/),
      stderr: "",
    });
  });

  test("send takes the old way of calling: body, subject, --to all", async () => {
    const { id } = await send("everybody", "All hands", "--to", "all");
    expect(await arrived(id)).toMatchObject({ subject: "All hands", body: "everybody", to: ["all"] });
  });

  test("send without a subject is listed by how it begins", async () => {
    const { id } = await send(`${"x".repeat(80)}\nsecond line`, "--to", "code2");
    expect((await arrived(id)).subject).toBe(`${"x".repeat(59)}…`);
  });

  test("send takes its body from standard input, a dash, and a file", async () => {
    const piped = await fleet.json(["send", "--to", "code2"], { ...one, stdin: "from a pipe\n" });
    const dashed = await fleet.json(["send", "-", "Dash", "--to", "code2"], { ...one, stdin: "from a dash" });
    await Bun.write(`${fleet.git.folder}/body.txt`, "from a file\nsecond\n");
    const filed = await send("--file", `${fleet.git.folder}/body.txt`, "--to", "code2");
    expect((await arrived(piped["id"])).body).toBe("from a pipe");
    expect(await arrived(dashed["id"])).toMatchObject({ body: "from a dash", subject: "Dash" });
    expect((await arrived(filed["id"])).body).toBe("from a file\nsecond\n");
  });

  test("send takes what looks like a flag as body only after --", async () => {
    const refused = await fleet.run(["send", "--dry-run", "--to", "code2"], one);
    expect(refused).toMatchObject({ code: 64, stdout: "" });
    expect(refused.stderr).toContain('Unknown flag "--dry-run"');
    const { id } = await fleet.json(["send", "--to", "code2", "--", "--dry-run"], one);
    expect((await arrived(id)).body).toBe("--dry-run");
  });

  test("send carries kind, priority, labels, thread and the wish for an ack", async () => {
    const flags = ["--kind", "warning", "--priority", "high", "--label", "a=1", "--label", "b=x=y"];
    const { id } = await send("all fields", "--to", "code2", ...flags, "--require-ack", "--thread", "t-1");
    expect(await arrived(id)).toMatchObject({
      kind: "warning",
      priority: "high",
      labels: { a: "1", b: "x=y" },
      ack_required: true,
      thread: "t-1",
    });
  });

  test("send with the same idempotency key twice is one message", async () => {
    const first = await send("only once", "--to", "code2", "--idempotency-key", "k1");
    const second = await send("only once", "--to", "code2", "--idempotency-key", "k1");
    expect(second["id"]).toBe(first["id"] as string);
    await arrived(first["id"]);
    const inbox = messagesOf(await fleet.json(["inbox", "--limit", "100"], two));
    expect(inbox.filter(({ body }) => body === "only once")).toHaveLength(1);
  });

  test("send warns by name about a server that nobody knows, and sends", async () => {
    const said = await fleet.run(["send", "hi", "--to", "code2,biuld1"], one);
    expect(said.code).toBe(0);
    expect(said.stderr).toContain('no server "biuld1" is known here yet');
    expect(said.stderr).not.toContain("code2");
    for (const wait of ["pushed", "queued"]) {
      const answer = await send("hi", "--to", "code2,biuld1", "--wait", wait);
      expect(answer["unknown"]).toEqual(["biuld1"]);
    }
  });

  test("send --wait queued promises only that", async () => {
    const answer = await send("queued", "--to", "code2", "--wait", "queued");
    expect(["queued", "pushed"]).toContain(answer["state"] as string);
    // Without a daemon the next command that pushes takes it along.
    if (!hasDaemon) await send("pushes", "--to", "code2");
    await arrived(answer["id"]);
  });

  test("send --wait replied answers 75 at its timeout and keeps the message", async () => {
    const words = ["send", "no answer", "--to", "code2", "--wait", "replied", "--timeout", "300ms"];
    const answer = await fleet.json(words, one, 75);
    expect(answer).toMatchObject({ schema: "fleetd.send/1", reply: null });
    const text = await fleet.run(words, one);
    expect(text.code).toBe(75);
    expect(text.stdout).toMatch(
      /^Not replied yet: message [0-9a-f]{8} to code2 is (queued|pushed|seen); it is safe here/,
    );
    // The time may have been over before it was pushed: without a daemon the next command takes it along.
    if (!hasDaemon) await send("pushes", "--to", "code2");
    await arrived(answer["id"]);
  });

  test("inbox shows urgent unread messages first, with their marks", async () => {
    const { id } = await send("on fire", "Fire", "--to", "code2", "--priority", "critical", "--require-ack");
    await arrived(id);
    const [head, columns, first] = (await fleet.text(["inbox"], two)).split("\n");
    expect(head).toMatch(/^code2: \d+ unread$/);
    expect(columns).toMatch(/ID +FROM +TO +WRITTEN +MARK +SUBJECT/);
    expect(first).toMatch(new RegExp(`^● +${short(id)} +code1 +code2 +\\S.* critical ack\\? +Fire$`));
  });

  test("inbox --json has every field of a message", async () => {
    const { id } = await send("fields", "--to", "code2");
    const message = await arrived(id);
    expect(keysOf(message)).toEqual([...MESSAGE_KEYS, "acked", "read"].toSorted());
    expect(message).toMatchObject({ history: false, read: false, acked: false, kind: "info", v: 1 });
  });

  test("inbox filters by sender, kind, time, unread and count", async () => {
    const { id } = await send("filter me", "--to", "code2", "--kind", "error");
    await arrived(id);
    const listed = async (...flags: string[]): Promise<Message[]> =>
      messagesOf(await fleet.json(["inbox", ...flags], two));
    expect(await listed("--from", "code9")).toEqual([]);
    expect((await listed("--from", "code1")).length).toBeGreaterThan(0);
    expect((await listed("--kind", "error")).map((message) => message.id)).toEqual([id as string]);
    expect((await listed("--since", "1h")).length).toBeGreaterThan(0);
    expect(await listed("--since", "0")).toEqual([]);
    expect(await listed("--limit", "1")).toHaveLength(1);
    await fleet.text(["read", short(id)], two);
    expect(await listed("--unread", "--kind", "error")).toEqual([]);
  });

  test("read shows the text, marks the message, and takes a shortened id", async () => {
    const { id } = await send("line one\nline two", "Read me", "--to", "code2");
    await arrived(id);
    const text = await fleet.text(["read", short(id)], two);
    expect(text).toMatch(/^Read me +\ncode1 → code2 {2}\S/);
    expect(text).toEndWith(`id ${id}\n\nline one\nline two\n`);
    const answer = await fleet.json(["read", String(id)], two);
    expect(keysOf(answer)).toEqual(["message", "schema"]);
    expect(answer["schema"]).toBe("fleetd.read/1");
    expect(await arrived(id)).toMatchObject({ read: true, acked: false });
  });

  test("read of an own message shows where it is", async () => {
    const { id } = await send("mine", "--to", "code2");
    const answer = await fleet.json(["read", String(id)], one);
    expect(keysOf(answer)).toEqual(["delivery", "message", "schema"]);
    const { recipients } = answer["delivery"] as { recipients: Answer[] };
    const [recipient, second] = recipients;
    expect(second).toBeUndefined();
    expect(recipient).toMatchObject({ server: "code2", receipts: [], exitCode: null, via: "" });
    expect(recipient?.["state"]).toMatch(/^(pushed|seen)$/);
  });

  test("sent lists the state, newest first", async () => {
    const { id } = await send("last one", "Last", "--to", "code2");
    const answer = await fleet.json(["sent", "--limit", "2"], one);
    expect(keysOf(answer)).toEqual(["messages", "schema", "server"]);
    const messages = messagesOf(answer);
    expect(messages).toHaveLength(2);
    expect(messages[0]).toMatchObject({ id, to: ["code2"], subject: "Last", state: "pushed" });
    expect(keysOf(messages[0] ?? {})).toEqual(["at", "id", "reason", "recipients", "state", "subject", "to"]);
    const [columns, first] = (await fleet.text(["sent"], one)).split("\n");
    expect(columns).toMatch(/^ID +TO +WRITTEN +STATE +SUBJECT$/);
    expect(first).toStartWith(short(id));
  });

  test("reply goes to the sender in the same conversation, and thread shows both", async () => {
    const { id } = await send("Are you there", "Question", "--to", "code2");
    await arrived(id);
    const answer = await fleet.json(["reply", short(id), "Yes"], two);
    expect(answer).toEqual({
      schema: "fleetd.reply/1",
      id: expect.any(String),
      to: "code1",
      in_reply_to: id,
      state: "pushed",
    });
    const found = await fleet.json(["wait", "--thread", String(id), "--unread", "--timeout", "60"], one);
    expect(found["message"]).toMatchObject({ id: answer["id"], subject: "Re: Question", kind: "response" });
    const thread = await fleet.json(["thread", short(id)], one);
    expect(keysOf(thread)).toEqual(["messages", "schema", "thread"]);
    expect(messagesOf(thread).map(({ from, body }) => [from, body])).toEqual([
      ["code1", "Are you there"],
      ["code2", "Yes"],
    ]);
    const text = await fleet.text(["thread", short(answer["id"])], one);
    expect(text).toMatch(
      /^code1 → code2 .* Question\nAre you there\n\ncode2 → code1 .* Re: Question\nYes\n\n$/,
    );
  });

  test("reply says whom it answered, and takes its body from a pipe", async () => {
    const { id } = await send("Again", "--to", "code2");
    await arrived(id);
    const text = await fleet.text(["reply", short(id)], { ...two, stdin: "piped answer" });
    expect(text).toMatch(/^Pushed: answer [0-9a-f]{8} to code1\n$/);
  });

  test("ack happens once, and says so", async () => {
    const { id } = await send("ack me", "--to", "code2", "--require-ack");
    await arrived(id);
    expect(await fleet.json(["ack", short(id)], two)).toEqual({
      schema: "fleetd.ack/1",
      id,
      from: "code1",
      changed: true,
    });
    expect(await fleet.json(["ack", short(id)], two)).toMatchObject({ changed: false });
    expect(await fleet.text(["ack", short(id)], two)).toBe(`${short(id)} was acknowledged before\n`);
  });

  test("wait prints the message that comes while it waits", async () => {
    const waiting = fleet.start(["wait", "--json", "--from", "code1", "--timeout", "60"], two);
    // What comes before it waits does not end it, and from outside nobody sees when it begins.
    while (fleet.isRunning(waiting.pid)) await send("wake up", "--to", "code2");
    const ran = await waiting.ended();
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({ schema: "fleetd.wait/1", message: { body: "wake up" } });
  });

  test("wait answers 75 when nothing comes", async () => {
    const ran = await fleet.run(["wait", "--from", "code9", "--timeout", "200ms"], two);
    expect(ran).toMatchObject({
      code: 75,
      stdout: "",
      stderr: "fleetd: Cannot show a message: none came within 200 ms\n",
    });
  });

  test("watch prints each message as it comes, until it is stopped", async () => {
    const watching = fleet.start(["watch", "--json"], two);
    while (watching.stdout() === "" && fleet.isRunning(watching.pid))
      await send("seen by watch", "--to", "code2");
    const ran = await watching.stop("SIGINT");
    expect(ran.code).toBe(130);
    const [line = ""] = ran.stdout.split("\n");
    expect(JSON.parse(line)).toMatchObject({
      schema: "fleetd.watch/1",
      message: { from: "code1", body: "seen by watch" },
    });
  });

  test("status is one page that says whether a monitor runs", async () => {
    const answer = await fleet.json(["status"], one);
    expect(keysOf(answer)).toEqual(
      [
        "schema",
        "verdict",
        "problems",
        "server",
        "services",
        "fleet",
        "public_key",
        "unread",
        "queue",
        "monitor",
      ]
        .concat("peers", "problems_total", "remote")
        .toSorted(),
    );
    expect(answer).toMatchObject({ schema: "fleetd.status/1", server: "code1", queue: { count: 0 } });
    expect(answer["peers"]).toMatchObject([{ server: "code2", last_seen_at: expect.any(String) }]);
    const text = await fleet.text(["status"], one);
    expect(text).toMatch(/^ +server +code1$/m);
    if (hasDaemon) {
      expect(answer["verdict"]).toBe("ok");
      expect(answer["monitor"]).toMatchObject({ pid: daemons[0]?.pid, last_push_at: expect.any(String) });
      expect(text).toStartWith("● all is well");
      expect((await fleet.run(["status", "--check"], one)).code).toBe(0);
    } else {
      expect(answer).toMatchObject({ verdict: "warn", monitor: null });
      expect(text).toStartWith("● warn: no monitor is running");
      expect((await fleet.run(["status", "--check"], one)).code).toBe(1);
    }
  });

  test("servers lists who is there, with keys", async () => {
    const answer = await fleet.json(["servers"], one);
    expect(keysOf(answer)).toEqual(["fleet", "schema", "server", "servers"]);
    expect(answer["servers"]).toEqual([
      {
        server: "code2",
        fingerprint: expect.stringMatching(/^SHA256:/),
        last_seen_at: expect.any(String),
        presence: "online",
        health: expect.any(String),
        health_summary: null,
        groups: [],
        labels: {},
        version: expect.any(String),
        entries: expect.any(Number),
        forgotten: false,
        purged: false,
        speaks_again: false,
        trust: "first-sight",
        forgotten_by: [],
      },
    ]);
    const text = await fleet.text(["servers"], one);
    expect(text).toMatch(/^SERVER +STATE +LAST SEEN .*KEY/);
    expect(text).toContain("this server");
  });

  test("rebuild-index keeps what was read and acknowledged", async () => {
    const before = await fleet.json(["inbox", "--limit", "100"], two);
    // A monitor goes on with the new file; Windows lets nobody remove a file that is open.
    if (hasDaemon && process.platform === "win32") await daemons[1]?.stop();
    const answer = await fleet.json(["rebuild-index"], two);
    expect(keysOf(answer)).toEqual(["cards", "entries", "quarantined", "schema"]);
    expect(answer).toMatchObject({ schema: "fleetd.rebuild-index/1", quarantined: 0, cards: 1 });
    expect(await fleet.text(["rebuild-index"], two)).toStartWith("Index made anew: ");
    const after = await fleet.json(["inbox", "--limit", "100"], two);
    const marks = (answer: Answer): unknown[] =>
      messagesOf(answer).map(({ id, body, read, acked }) => [id, body, read, acked]);
    expect(marks(after)).toEqual(marks(before));
  });

  test("servers forget leaves a server out of broadcasts, groups and status, and is told by servers", async () => {
    expect(await fleet.json(["servers", "forget", "code2", "--dry-run"], one)).toMatchObject({
      forgotten: false,
      dry_run: true,
    });
    expect(await fleet.json(["servers", "forget", "code2"], one)).toEqual({
      schema: "fleetd.servers.forget/1",
      id: "code2",
      forgotten: true,
      dry_run: false,
    });
    expect((await fleet.json(["status"], one))["peers"]).toEqual([]);
    expect(await fleet.text(["servers"], one)).toMatch(/code2 +forgotten/);
    const again = await fleet.text(["servers", "forget", "code2"], one);
    expect(again).toContain("broadcasts and groups");
    expect(again).toContain("fleetd servers shows it as forgotten");
    const unknown = await fleet.run(["servers", "forget", "code9"], one);
    expect(unknown).toMatchObject({ code: 65, stdout: "" });
    expect(unknown.stderr).toContain('Cannot forget "code9": no such server is known here');
    for (const words of [["forget"], ["remember"], ["forget", "--purge", "--yes"]]) {
      const own = await fleet.run(["servers", ...words, "code1"], one);
      expect([own.code, own.stdout]).toEqual([65, ""]);
      expect(own.stderr).toContain(`Cannot ${words[0]} "code1": it is this server`);
    }
  });
});

describe("init", () => {
  const fleet = new TempFleet();
  afterAll(() => fleet.remove());

  test("init makes an embedded remote and says how the next machine joins", async () => {
    const text = await fleet.text(["init", "--server", "code1"]);
    expect(text).toContain(`fleetd init --remote ${fleet.root}/remote.git --server NAME`);
    expect(text).toMatch(/✓ remote .*readable, writable, refs of its own \(sha1\)/);
    expect(text).toMatch(/✓ fleet .* founded, no other server yet/);
    expect(text).toMatch(/✓ key +SHA256:/);
  });

  test("init joins the fleet that it finds", async () => {
    const answer = await fleet.json(["init", "--server", "code2", "--remote", `${fleet.root}/remote.git`]);
    expect(keysOf(answer)).toEqual(INIT_KEYS);
    expect(answer).toMatchObject({
      schema: "fleetd.init/1",
      server: "code2",
      founded: false,
      existed: false,
      embedded: false,
      namespace: "refs/fleet/",
      object_format: "sha1",
      servers: 1,
      waiting: null,
    });
  });

  test("init of a server that is there changes nothing and answers the same fields", async () => {
    const answer = await fleet.json(["init", "--server", "code1"]);
    expect(keysOf(answer)).toEqual(INIT_KEYS);
    expect(answer).toMatchObject({ server: "code1", existed: true, embedded: true });
    expect(await fleet.text(["init"], { as: "code1" })).toContain("nothing was changed");
  });

  test("init makes a folder that only its user can open, and a key that only its user can read", async () => {
    const { stat } = await import("node:fs/promises");
    expect((await stat(`${fleet.root}/code1`)).mode & 0o777).toBe(0o700);
    expect((await stat(`${fleet.root}/code1/key`)).mode & 0o777).toBe(0o600);
  });

  const INIT_KEYS = [
    "embedded",
    "existed",
    "fleet",
    "folder",
    "founded",
    "namespace",
    "object_format",
  ].concat(["public_key", "remote", "schema", "server", "servers", "waiting"]);
});

describe("quickstart", () => {
  const fleet = new TempFleet();
  afterAll(() => fleet.remove());

  test("quickstart shows each step with its time and leaves nothing behind", async () => {
    const text = await fleet.text(["quickstart"]);
    for (const step of ["remote", "servers", "daemons", "send", "seen", "reply", "health"]) {
      expect(text).toMatch(new RegExp(`✓ +\\d+ ms +${step} `));
    }
    expect(text).toMatch(/Sent, verified and answered in [\d.]+ m?s\.\n$/);
    expect(leftIn(fleet)).toEqual([]);
  });

  test("quickstart --json answers its steps", async () => {
    const answer = await fleet.json(["quickstart"]);
    expect(keysOf(answer)).toEqual(["home", "reply", "schema", "steps", "total_ms"]);
    expect(answer["steps"]).toHaveLength(7);
    expect(answer["home"]).toBeNull();
  });

  test("quickstart stopped in the middle removes its daemons and files", async () => {
    const running = fleet.start(["quickstart"]);
    await running.printed("servers");
    const ran = await running.stop("SIGINT");
    expect(ran.code).toBe(130);
    expect(leftIn(fleet)).toEqual([]);
  });

  test("quickstart --keep leaves a fleet that its printed commands reach", async () => {
    const text = await fleet.text(["quickstart", "--keep"]);
    const home = /export FLEETD_HOME=(\S+)/.exec(text)?.[1];
    const pids = /kill ([\d ]+);/.exec(text)?.[1]?.split(" ").map(Number) ?? [];
    try {
      expect(pids).toHaveLength(2);
      const env = { FLEETD_HOME: home };
      const words = ["send", "How are you?", "--to", "code2", "--server", "code1", "--wait", "replied"];
      expect(await fleet.json(words, { env })).toMatchObject({ state: "replied", reply: { from: "code2" } });
    } finally {
      await fleet.endPids(pids);
    }
  });
});
