// What goes wrong in our own words arrives as the detail of a failure, in English. A Chinese page says it in Chinese;
// what others say (an API server, a registry, a resolver) stands as they said it.
import type { Lang } from "./age.ts";

const names = "小写字母、数字";

// The whole text, and how it reads; "$1" is what stood in the first group.
const phrases: readonly [RegExp, string][] = [
  [/it is no longer announced/, "已不再登记"],
  [/it is no longer announced, since (\d+) s/, "已于 $1 秒前停止登记"],
  [/it has not announced itself since the server started/, "自服务器启动以来尚未登记"],
  [
    /its account may not list and watch workloads in the whole cluster: give it that right, or name namespaces with --namespaces/,
    "其账号无权列出和监视整个集群的工作负载：请授予该权限，或用 --namespaces 指定命名空间",
  ],
  [
    /its account may not list and watch workloads in the whole cluster, nor in (.+): give it that right, or name other namespaces with --namespaces/,
    "其账号无权列出和监视整个集群或 $1 中的工作负载：请授予该权限，或用 --namespaces 指定其他命名空间",
  ],
  [/it did not answer (\d+) times in a row, and is asked again in (\d+) s/, "已连续 $1 次无应答，$2 秒后再问"],
  [/no instance is announced/, "没有登记的实例"],
  [/cluster (\S+), namespace (\S+)/, "集群 $1 的命名空间 $2"],
  [/cluster (\S+)/, "集群 $1"],
  [/(\S*lizardcd-agent\.\S+) or (\S*lizardcd-agent\.\S+)/, "$1 或 $2"],
  [/server/, "服务器"],
  [/agent/, "Agent"],
  [/none/, "无"],

  [/connection refused/, "连接被拒绝"],
  [
    /(?:No connection established\. Last error: )?(?:Error: )?connect ECONNREFUSED (\S+:\d+)(?:[.\s(].*)?/,
    "$1 拒绝连接",
  ],
  [/(?:No connection established\. Last error: )?(?:Error: )?connect ETIMEDOUT (\S+:\d+)(?:[.\s(].*)?/, "连接 $1 超时"],
  [/Connection dropped/, "连接中断"],
  [/the first list is under way/, "正在读取首个列表"],

  [/its certificate is revoked/, "其证书已吊销"],
  [/its certificate was revoked, and the connection to it cut/, "其证书已被吊销，连接已切断"],
  [/no connection to it could be made in time, and nothing was sent/, "未能及时建立连接，什么都没有发送"],
  [/its certificate names no agent/, "其证书未指明 Agent"],
  [/its certificate is for (.+)/, "其证书属于 $1"],
  [/it is for (.+), not for (.+)/, "它属于 $1，而不是 $2"],
  [/it is not signed here/, "不是由本服务器签发的"],
  [/its time is over/, "已过期"],
  [/its time has not begun/, "尚未生效"],
  [/it is revoked/, "已吊销"],
  [/it names no agent/, "未指明 Agent"],
  [/it cannot be read/, "无法读取"],
  [/the proof is not by its key/, "证明与其密钥不符"],
  [/its signature is not by its own key/, "签名与其密钥不符"],
  [/it is not a PKCS #10 request with an ECDSA P-256 key/, "不是带 ECDSA P-256 密钥的 PKCS #10 请求"],
  [
    /this server was given its certificates: have the agent's made where those come from/,
    "本服务器使用外部提供的证书：请在证书的来源处为 Agent 签发",
  ],
  [/it is not one of ours/, "不是由本系统给出的"],
  [/it was made for another cluster/, "是为另一个集群生成的"],
  [/it has been used/, "已被使用"],

  [/it has no cluster: expected <namespace>\.<cluster>/, "缺少集群：应为 <命名空间>.<集群>"],
  [/it does not begin with (.+)/, "不以 $1 开头"],
  [/(".*") is not a namespace name/, "$1 不是命名空间名称"],
  [/(".*") is not a cluster name/, "$1 不是集群名称"],
  [/(?:its value )?(".*") is not host:port/, "$1 不是“主机:端口”"],
  [/(".*") is not a label's name/, "$1 不是标签名"],
  [/(".*") is not a label's value/, "$1 不是标签值"],

  [/(\w+) is (".*"), and (.+) was asked for/, "$1 为 $2，而所问的是 $3"],
  [/(\w+) is (".*"), which is none/, "$1 为 $2，不是有效的值"],
  [/(\S+) is (\S+), which cannot be/, "$1 为 $2，这是不可能的"],
  [/(\w+) has (".*"), which is outside of (\S+)/, "$1 中的 $2 不属于 $3"],
  [/(\w+) has no (\w+)/, "$1 中没有 $2"],
  [/(\w+) has (\d+) (?:items|entries), at most (\d+) are read/, "$1 有 $2 项，最多读取 $3 项"],
  [/continue is no text of at most (\d+) characters/, "continue 不是最多 $1 个字符的文本"],

  [/it is read-only \(--read-only\)/, "它是只读的（--read-only）"],
  [/namespace (\S+) is not among (.+) \(--allow-namespaces\)/, "命名空间 $1 不在 $2 之中（--allow-namespaces）"],
  [/it keeps (\S+) to itself \(--deny-kinds\)/, "它不开放 $1（--deny-kinds）"],

  [/is required/, "必填"],
  [/an object is expected/, "应为一个对象"],
  [/is longer than (\d+) characters/, "超过 $1 个字符"],
  [/must be at least (\S+), not (.+)/, "不得小于 $1，而给出的是 $2"],
  [/must be at most (\S+), not (.+)/, "不得大于 $1，而给出的是 $2"],
  [/must be one of (.+), not (".*")/, "应为 $1 之一，而不是 $2"],
  [/must be a whole number, not (.+)/, "应为整数，而不是 $1"],
  [/must be a number of at most 32 bits, not (.+)/, "应为不超过 32 位的数，而不是 $1"],
  [/must be text, not (.+)/, "应为文本，而不是 $1"],
  [/must be true or false, not (.+)/, "应为 true 或 false，而不是 $1"],
  [
    /must be a cluster name: lower case letters, digits, dots and dashes, not (.+)/,
    `应为集群名称（${names}、点和连字符），而不是 $1`,
  ],
  [
    /must be a namespace name(?:, or \* for all)?: at most 63 lower case letters, digits and dashes, not (.+)/,
    `应为命名空间名称（最多 63 个${names}和连字符），而不是 $1`,
  ],
  [
    /must be an object name: lower case letters, digits, dots and dashes, not (.+)/,
    `应为对象名称（${names}、点和连字符），而不是 $1`,
  ],
  [
    /must be a container name: lower case letters, digits and dashes, not (.+)/,
    `应为容器名称（${names}和连字符），而不是 $1`,
  ],
  [/must be an image reference such as (\S+), not (.+)/, "应为镜像引用，例如 $1，而不是 $2"],
  [/must be a serial number in hexadecimal, not (.+)/, "应为十六进制的序列号，而不是 $1"],
  [/must be a password of at least (\d+) characters, not .+/, "应为至少 $1 个字符的密码"],
  [/must be a path of this server, not (.+)/, "应为本服务器的路径，而不是 $1"],
  [/must be an instance id, not (.+)/, "应为实例 ID，而不是 $1"],
  [/must be host:port, not (.+)/, "应为“主机:端口”，而不是 $1"],
  [/is not known, did you mean (.+)\?/, "没有这个字段，是否指 $1？"],

  [/a (\S) is not closed/, "$1 没有闭合"],
  [/(\{\w+\}) has no (\{\w+\})/, "$1 没有对应的 $2"],
  [/(".*") is not a step such as (.+), (.+), (.+) or (.+)/, "$1 不是 $2、$3、$4 或 $5 这样的步骤"],
  [/a filter has one condition, without && and \|\|/, "筛选只能有一个条件，不支持 && 和 ||"],
];

const zh = phrases.map(([phrase, reads]) => ({ whole: new RegExp(`^(?:${phrase.source})$`), reads }));
/** Ours are short; what is longer is not looked at. */
const mostLength = 400;

/** A failure's detail in the reader's language, where it is one of ours; else as it came. */
export function problemIn(lang: Lang, problem: string): string {
  if (lang === "en" || problem.length > mostLength) return problem;
  const whole = readIn(problem);
  if (whole !== undefined) return whole;
  // "<where>: <what>"
  const colon = problem.indexOf(": ");
  const what = colon < 0 ? undefined : readIn(problem.slice(colon + 2));
  return what === undefined ? problem : `${problem.slice(0, colon)}：${what}`;
}

function readIn(problem: string): string | undefined {
  for (const { whole, reads } of zh) {
    const match = whole.exec(problem);
    if (match) return reads.replace(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? "");
  }
  return undefined;
}
