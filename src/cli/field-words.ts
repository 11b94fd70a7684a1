// What the contract says of its operations and their fields, in Chinese; the English stands in proto/ and contract/rules.ts.
import type { Lang } from "../words/words.ts";

const zh: Record<string, string> = {
  "Show the agent of a cluster": "显示一个集群的 Agent",
  "List the namespaces of a cluster that its agents may read": "列出一个集群中其 Agent 可读的命名空间",
  "Show one workload with its pods and conditions": "显示一个工作负载及其 Pod 和状况",
  "Restart a workload": "重启一个工作负载",
  "Set the number of replicas of a workload": "设置一个工作负载的副本数",
  "Set the image of one container of a workload": "设置一个工作负载中某个容器的镜像",
  "Pause the rollouts of a Deployment": "暂停一个 Deployment 的发布",
  "Resume the rollouts of a Deployment": "恢复一个 Deployment 的发布",
  "Show every cluster: what answers, what needs attention": "显示所有集群：哪些有应答，哪些需要关注",
  "List workloads across clusters": "列出各集群的工作负载",
  "List the agents: where they are announced, whether they answer, until when they are trusted":
    "列出 Agent：登记在何处、是否应答、证书何时到期",
  "List the registries and how they are": "列出注册中心及其状态",
  "Log in": "登录",
  "End this session": "结束本次会话",
  "Show who is logged in": "显示当前登录的用户",
  "List who did what, where, and how it ended": "列出谁在何处做了什么、结果如何",
  "Make a one-time token with which an agent enrolls, and the line to run":
    "生成一次性令牌，供 Agent 注册使用，并给出要运行的命令",
  "Remove a cluster that no agent announces any more from the list": "从列表中移除一个已没有 Agent 登记的集群",
  "Revoke the certificates of a cluster's agents, or one of them": "吊销一个集群的 Agent 证书，全部或其中之一",

  "the cluster": "集群",
  "the namespace": "命名空间",
  "the kind of workload": "工作负载的类型",
  "the workload's name": "工作负载的名称",
  "the container; it may be left out where the workload has one alone": "容器；工作负载只有一个容器时可省略",
  "ask the API server what would change, and change nothing": "只向 API server 询问将会变更什么，不做任何变更",
  "how many pods are wanted": "期望的 Pod 数量",
  "the image to set, such as registry.example.com/shop/web:1.4.2":
    "要设置的镜像，例如 registry.example.com/shop/web:1.4.2",
  "the image that is believed to be set: nothing is changed where another one is":
    "认为当前使用的镜像：如果实际是另一个，则不做任何变更",
  "the label that clusters are grouped by, such as region; by none where it is left out":
    "按此标签对集群分组，例如 region；省略则不分组",
  "clusters whose name or one of whose labels contains this text": "名称或任一标签包含此文字的集群",
  "what is in one of these states": "处于这些状态之一的对象",
  "clusters with all of these labels, region=eu; region= are those without it":
    "具有全部这些标签的集群，例如 region=eu；region= 表示没有该标签的集群",
  "one page of at most this many": "只取一页，最多这么多条",
  "the page after the one whose answer said this": "从此处继续：取上一页应答中的值",
  "workloads of these clusters": "这些集群的工作负载",
  "workloads of these namespaces": "这些命名空间的工作负载",
  "workloads of these kinds": "这些类型的工作负载",
  "workloads whose name, namespace or image contains this text": "名称、命名空间或镜像包含此文字的工作负载",
  "workloads with these labels, as in Kubernetes: app=web,tier in (a,b),!legacy":
    "具有这些标签的工作负载，写法与 Kubernetes 相同：app=web,tier in (a,b),!legacy",
  "the order; what needs somebody comes first where it is left out": "排序方式；省略则最需要处理的排在最前",
  "agents of this cluster": "此集群的 Agent",
  "agents whose key, or the address of one of whose instances, contains this text":
    "键或任一实例地址包含此文字的 Agent",
  "what this user did": "此用户的操作",
  "this operation, such as workload.restart": "此操作，例如 workload.restart",
  "what was done in this cluster": "在此集群中的操作",
  "what ended so": "以此结果结束的操作",
  "what was done to objects whose name contains this text": "对名称包含此文字的对象的操作",
  "the namespaces that the agent may announce; the whole cluster where none is named":
    "Agent 可以登记的命名空间；不指定则为整个集群",
  "how many seconds the token can be used; 3600 where it is left out": "令牌在多少秒内可用；省略则为 3600",
  "one certificate's serial number; all of the cluster's where it is left out":
    "单个证书的序列号；省略则为该集群的全部证书",
};

export function inWords(lang: Lang, english: string): string {
  return lang === "zh" ? (zh[english] ?? english) : english;
}

/** The sentences that are translated. */
export const translated: readonly string[] = Object.keys(zh);
