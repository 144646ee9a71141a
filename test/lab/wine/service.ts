/**
 * A service for Windows, compiled for it. Words: `exits CODE`; `serves PORT`; `tree PORT`, which is one that starts
 * another one, detached, that serves; `stays`. Further words only mark it.
 */
const [mode = "", number = "0", ...marks] = process.argv.slice(2);

if (mode === "exits") process.exit(Number(number));
if (mode === "tree") {
  const child = Bun.spawn([process.execPath, "serves", number, ...marks], {
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
  });
  child.unref();
}
if (mode === "serves")
  Bun.listen({ hostname: "127.0.0.1", port: Number(number), socket: { data: () => undefined } });
console.log(`${mode} ${number}`);
setInterval(() => undefined, 1_000_000);
