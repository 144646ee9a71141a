/**
 * Preloaded by fleetd in Wine, which has no unix sockets: the one that fleetd wants to listen on becomes a file with a TCP
 * port of 127.0.0.1 in it, and who asks it goes to that port.
 */
const { readFileSync, writeFileSync } = require("node:fs");

const { serve } = Bun;
const plainFetch = globalThis.fetch;

Bun.serve = ({ unix, ...options }) => {
  if (unix === undefined) return serve(options);
  const server = serve({ ...options, hostname: "127.0.0.1", port: 0 });
  writeFileSync(unix, String(server.port));
  return server;
};

globalThis.fetch = (address, { unix, ...options } = {}) => {
  if (unix === undefined) return plainFetch(address, options);
  const port = readFileSync(unix, "utf8");
  return plainFetch(String(address).replace(/^http:\/\/[^/]+/, `http://127.0.0.1:${port}`), options);
};
