import { forbidden, unauthorized } from "./failure.ts";
import type { Json } from "./object.ts";
import type { Resource } from "./resource.ts";

export interface User {
  name: string;
  /** undefined: the whole cluster. */
  namespaces?: string[];
}

/** Who may do what: an administrator, and a user who is one in some namespaces only. */
export class Access {
  #users = new Map<string, User>();

  allow(token: string, user: User): void {
    this.#users.set(token, user);
  }

  /** Throws a 401 unless the header carries a known bearer token. */
  user(authorization: string | undefined): User {
    const [, token = ""] = /^Bearer\s+(.+)$/i.exec(authorization ?? "") ?? [];
    const user = this.#users.get(token);
    if (!user) throw unauthorized();
    return user;
  }

  /** Throws the 403 of RBAC; namespace undefined is the cluster scope. */
  check(user: User, verb: string, resource: Resource, namespace?: string, name?: string, subresource?: string): void {
    // Reading one namespace counts as a request inside it.
    const scope = resource.plural === "namespaces" ? name : namespace;
    if (!allowed(user, scope)) throw forbidden(user.name, verb, resource, namespace, name, subresource);
  }
}

/** The answer to a SelfSubjectAccessReview. */
export function accessReview(user: User, review: Json): Json {
  const { resourceAttributes, nonResourceAttributes } = review.spec ?? {};
  const { namespace, resource, name } = resourceAttributes ?? {};
  const scope = resource === "namespaces" && name ? name : namespace;
  const yes = nonResourceAttributes ? true : allowed(user, scope || undefined);
  return {
    kind: "SelfSubjectAccessReview",
    apiVersion: "authorization.k8s.io/v1",
    metadata: {},
    spec: review.spec ?? {},
    status: yes ? { allowed: true, reason: "RBAC: allowed by the sandbox" } : { allowed: false },
  };
}

/** The answer to a SelfSubjectRulesReview. */
export function rulesReview(user: User, review: Json): Json {
  const reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"];
  const basic = [{ verbs: ["create"], apiGroups: ["authorization.k8s.io"], resources: reviews }];
  const all = [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }];
  return {
    kind: "SelfSubjectRulesReview",
    apiVersion: "authorization.k8s.io/v1",
    metadata: {},
    spec: review.spec ?? {},
    status: {
      resourceRules: allowed(user, review.spec?.namespace) ? [...all, ...basic] : basic,
      nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["/healthz", "/livez", "/readyz", "/version"] }],
      incomplete: false,
    },
  };
}

const allowed = ({ namespaces }: User, namespace: string | undefined): boolean =>
  namespaces === undefined || (namespace !== undefined && namespaces.includes(namespace));
