import { type CommandTable, toTable } from "./command-table.ts";

/**
 * Every command of fleetd. A command is one line here and one label file in `commands/`:
 * `send: { group: "Messages", summary: "...", load: () => import("./commands/send.ts").then((m) => m.send) },`
 * In each group the order here is the order of `fleetd --help`.
 */
export const COMMANDS: CommandTable = toTable({
  send: {
    group: "Messages",
    summary: "Send a message to one server or to the whole fleet",
    load: () => import("./commands/send.ts").then((m) => m.send),
  },
  inbox: {
    group: "Messages",
    summary: "List messages to this server, urgent and new ones first",
    load: () => import("./commands/inbox.ts").then((m) => m.inbox),
  },
  sent: {
    group: "Messages",
    summary: "List what this server sent, and how far each message got",
    load: () => import("./commands/sent.ts").then((m) => m.sent),
  },
  read: {
    group: "Messages",
    summary: "Show one message and mark it as read",
    load: () => import("./commands/read.ts").then((m) => m.read),
  },
  thread: {
    group: "Messages",
    summary: "Show a whole conversation",
    load: () => import("./commands/thread.ts").then((m) => m.thread),
  },
  reply: {
    group: "Messages",
    summary: "Answer a message, to its sender and in its conversation",
    load: () => import("./commands/reply.ts").then((m) => m.reply),
  },
  ack: {
    group: "Messages",
    summary: "Acknowledge a message; its sender sees that",
    load: () => import("./commands/ack.ts").then((m) => m.ack),
  },
  wait: {
    group: "Messages",
    summary: "Block until a message arrives, and print it",
    load: () => import("./commands/wait.ts").then((m) => m.wait),
  },
  watch: {
    group: "Messages",
    summary: "Print messages as they arrive",
    load: () => import("./commands/watch.ts").then((m) => m.watch),
  },
  queue: {
    group: "Messages",
    summary: "What waits to be sent; retry it or give it up",
    load: () => import("./commands/queue.ts").then((m) => m.queue),
  },
  quickstart: {
    group: "Fleet",
    summary: "See a whole fleet at work here, without configuration",
    load: () => import("./commands/quickstart.ts").then((m) => m.quickstart),
  },
  init: {
    group: "Fleet",
    summary: "Make this server and join or found its fleet",
    load: () => import("./commands/init.ts").then((m) => m.init),
  },
  status: {
    group: "Fleet",
    summary: "One page about this server and its fleet",
    load: () => import("./commands/status.ts").then((m) => m.status),
  },
  servers: {
    group: "Fleet",
    summary: "Who is in the fleet, and when each was last heard of",
    load: () => import("./commands/servers.ts").then((m) => m.servers),
  },
  trust: {
    group: "Fleet",
    summary: "Whose key counts: list, add, revoke, change the own one",
    load: () => import("./commands/trust.ts").then((m) => m.trust),
  },
  groups: {
    group: "Fleet",
    summary: "The groups of the fleet and who is in them",
    load: () => import("./commands/groups.ts").then((m) => m.groups),
  },
  monitor: {
    group: "Daemon",
    summary: "Run this server's daemon in the foreground",
    load: () => import("./commands/monitor.ts").then((m) => m.monitor),
  },
  reload: {
    group: "Daemon",
    summary: "Let the running monitor read its configuration again",
    load: () => import("./commands/reload.ts").then((m) => m.reload),
  },
  reexec: {
    group: "Daemon",
    summary: "Let the running monitor become the program that was installed",
    load: () => import("./commands/reexec.ts").then((m) => m.reexec),
  },
  logs: {
    group: "Daemon",
    summary: "Show the log of services, or the monitor's own, newest lines last",
    load: () => import("./commands/logs.ts").then((m) => m.logs),
  },
  metrics: {
    group: "Daemon",
    summary: "What the monitor did lately: operations, counters, errors",
    load: () => import("./commands/metrics.ts").then((m) => m.metrics),
  },
  rules: {
    group: "Daemon",
    summary: "What is done with messages by rule, and what would be",
    load: () => import("./commands/rules.ts").then((m) => m.rules),
  },
  handlers: {
    group: "Daemon",
    summary: "Programs that were given messages, and how they ended",
    load: () => import("./commands/handlers.ts").then((m) => m.handlers),
  },
  pause: {
    group: "Daemon",
    summary: "Stop everything automatic, also of a running monitor",
    load: () => import("./commands/pause.ts").then((m) => m.pause),
  },
  resume: {
    group: "Daemon",
    summary: "Let everything automatic go on",
    load: () => import("./commands/resume.ts").then((m) => m.resume),
  },
  port: {
    group: "Services",
    summary: "Who listens on a port; wait for it, free it",
    load: () => import("./commands/port.ts").then((m) => m.port),
  },
  kill: {
    group: "Services",
    summary: "Send a signal to services, or end one process for sure",
    load: () => import("./commands/kill.ts").then((m) => m.kill),
  },
  start: {
    group: "Services",
    summary: "Start services, a program, or what a file defines",
    load: () => import("./commands/start.ts").then((m) => m.start),
  },
  stop: {
    group: "Services",
    summary: "Stop services and everything that came of them",
    load: () => import("./commands/stop.ts").then((m) => m.stop),
  },
  restart: {
    group: "Services",
    summary: "Start services anew, also without a gap",
    load: () => import("./commands/restart.ts").then((m) => m.restart),
  },
  list: {
    group: "Services",
    summary: "List services: what they do, what they use, how they ended",
    load: () => import("./commands/list.ts").then((m) => m.list),
  },
  ps: {
    group: "Services",
    summary: "List services: what they do, what they use, how they ended",
    load: () => import("./commands/list.ts").then((m) => m.ps),
  },
  top: {
    group: "Services",
    summary: "Watch services, queue and fleet on the whole screen",
    load: () => import("./commands/top.ts").then((m) => m.top),
  },
  stats: {
    group: "Services",
    summary: "What services use: processors, memory, processes, with trends",
    load: () => import("./commands/stats.ts").then((m) => m.stats),
  },
  adopt: {
    group: "Services",
    summary: "Make a process that runs already the process of a service",
    load: () => import("./commands/adopt.ts").then((m) => m.adopt),
  },
  forget: {
    group: "Services",
    summary: "Stop services that were defined by command, and forget them",
    load: () => import("./commands/forget.ts").then((m) => m.forget),
  },
  health: {
    group: "Care",
    summary: "Judge disk, memory, store, remote, queue and clock",
    load: () => import("./commands/health.ts").then((m) => m.health),
  },
  config: {
    group: "Care",
    summary: "Show, check and describe the configuration",
    load: () => import("./commands/config.ts").then((m) => m.config),
  },
  doctor: {
    group: "Care",
    summary: "Find every known trouble, with evidence and what mends it",
    load: () => import("./commands/doctor.ts").then((m) => m.doctor),
  },
  bugreport: {
    group: "Care",
    summary: "Write what helps to find a bug into a file, without secrets",
    load: () => import("./commands/bugreport.ts").then((m) => m.bugreport),
  },
  network: {
    group: "Care",
    summary: "Check the way to the remote, step by step, with times",
    load: () => import("./commands/network.ts").then((m) => m.network),
  },
  compact: {
    group: "Care",
    summary: "Shorten this server's log on the remote by what all have read",
    load: () => import("./commands/compact.ts").then((m) => m.compact),
  },
  "rebuild-index": {
    group: "Care",
    summary: "Make the message index anew from the object store",
    load: () => import("./commands/rebuild-index.ts").then((m) => m.rebuildIndex),
  },
});
