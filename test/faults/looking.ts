// Somebody who looks at a page again and again, in a thread of its own: the test's is busy with its agents meanwhile.
import { parentPort, workerData } from "node:worker_threads";
import { stoodReadyMs } from "./figure.ts";

export interface Looking {
  /** Of the page. */
  url: string;
  /** A session's token. */
  token: string;
  /** The server's. */
  pid: number;
}

/** How one look went: its status, its milliseconds, and how many of them server and onlooker waited for a processor. */
export interface Look {
  status: number;
  ms: number;
  lateMs: number;
}

const { url, token, pid } = workerData as Looking;
const late = () => stoodReadyMs("/proc/thread-self/schedstat") + stoodReadyMs(`/proc/${pid}/schedstat`);
const looks: Look[] = [];
let over = false;
parentPort!.once("message", () => {
  over = true;
});
while (!over) {
  const [lateBefore, asked] = [late(), performance.now()];
  const answer = await fetch(url, { headers: { cookie: `lizardcd_session=${token}`, accept: "text/html" } });
  await answer.text();
  looks.push({ status: answer.status, ms: performance.now() - asked, lateMs: late() - lateBefore });
  await Bun.sleep(50);
}
parentPort!.postMessage(looks);
