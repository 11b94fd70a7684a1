// The compiled server in a network of one address family or of both, told to listen on every address as the charts tell it:
// the probes of a kubelet come by the family that the cluster has.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeHosts } from "../testbed/network.ts";
import { compiledPrograms } from "../testbed/programs.ts";

const folder = mkdtempSync(join(tmpdir(), "lizardcd-families-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What is taken from the loopback interface of a network of its own. */
const networks = {
  "of IPv6 alone": { without: "ip -4 addr flush dev lo", answers: ["[::1]"] },
  "of IPv4 alone": { without: "ip -6 addr flush dev lo", answers: ["127.0.0.1"] },
  "of both": { without: "true", answers: ["[::1]", "127.0.0.1"] },
};

// Asks until each has answered, or one has not for a minute; prints what came.
const asking = `
const [, , pid, ...hosts] = process.argv;
for (const host of hosts) for (const url of ["http://" + host + ":5117/readyz", "http://" + host + ":15117/metrics"]) {
  let status;
  for (let tries = 0; tries < 300 && status === undefined; tries++) {
    status = await fetch(url).then((answer) => answer.status, () => undefined);
    if (status === undefined) await Bun.sleep(200);
  }
  console.log(url, status);
}
process.kill(Number(pid), "SIGTERM");
`;

describeHosts("a server that listens on every address", () => {
  for (const [what, { without, answers }] of Object.entries(networks)) {
    test(`is reached in a network ${what}`, async () => {
      const program = (await compiledPrograms())["lizardcd-server"];
      const script = join(folder, "ask.ts");
      writeFileSync(script, asking);
      const data = mkdtempSync(join(folder, "data-"));
      const server = [program, "--data", data, "--http-addr", ":5117", "--metrics-addr", ":15117", "--http.plain"];
      const words = [
        `ip link set lo up && ${without}`,
        `${server.join(" ")} --insecure > ${data}/log 2>&1 & server=$!`,
        `${process.execPath} ${script} $server ${answers.join(" ")}; wait $server`,
      ];
      const child = Bun.spawn(["unshare", "--net", "sh", "-c", words.join("\n")], {
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const said = await new Response(child.stdout).text();
      await child.exited;
      expect(`${said}${said.includes("undefined") ? await Bun.file(join(data, "log")).text() : ""}`).toBe(
        answers.map((host) => `http://${host}:5117/readyz 200\nhttp://${host}:15117/metrics 200\n`).join(""),
      );
    });
  }
});
