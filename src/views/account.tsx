// Who is signed in, and their password.

import { href } from "../contract/operation.ts";
import { leastPasswordLength } from "../contract/password.ts";
import type { Failure } from "../gen/lizardcd/v1/failure_pb.ts";
import type { User } from "../gen/lizardcd/v1/user_pb.ts";
import { say } from "../words/words.ts";
import { page } from "./layout.tsx";
import { Callout, type PageContext, Panel, ReasonSentence } from "./parts.tsx";

export interface AccountOptions {
  failure?: Failure;
  /** True right after the password was changed. */
  done?: boolean;
}

const roles = { admin: "role.admin", readwrite: "role.readwrite", readonly: "role.readonly" } as const;

export function accountPage(ctx: PageContext, user: User, { failure, done }: AccountOptions = {}): string {
  const { lang } = ctx;
  const role = roles[user.role as keyof typeof roles];
  return page(ctx, {
    title: say(lang, "account"),
    children: (
      <div class="page max-w-[720px]">
        <div class="truth">
          <h1>{say(lang, "account")}</h1>
        </div>
        <Panel id="h-who" title={user.username}>
          <dl class="kv panel-b">
            <dt>{say(lang, "username")}</dt>
            <dd>{user.username}</dd>
            <dt>{say(lang, "role")}</dt>
            <dd>{role ? say(lang, role) : user.role}</dd>
          </dl>
        </Panel>
        <Panel id="h-pw" title={say(lang, "password.change")}>
          <form class="panel-b grid gap-3 max-w-[400px]" method="post" action={href("user.changePassword")}>
            {done && <Callout state="ok">{say(lang, "password.done")}</Callout>}
            {failure && (
              <Callout state="failed">
                <ReasonSentence ctx={ctx} reason={failure} />
              </Callout>
            )}
            <input type="text" name="username" autoComplete="username" value={user.username} hidden disabled />
            <label class="grid gap-1">
              <span class="font-medium">{say(lang, "password.old")}</span>
              <input
                class="input input-sm w-full"
                type="password"
                name="oldPassword"
                autoComplete="current-password"
                required
              />
            </label>
            <label class="grid gap-1">
              <span class="font-medium">{say(lang, "password.new")}</span>
              <input
                class="input input-sm w-full"
                type="password"
                name="newPassword"
                autoComplete="new-password"
                minLength={leastPasswordLength}
                required
                aria-describedby="rule"
              />
              <span id="rule" class="hint">
                {say(lang, "password.rule")}
              </span>
            </label>
            <button class="btn btn-sm btn-primary justify-self-start">{say(lang, "password.change")}</button>
          </form>
        </Panel>
      </div>
    ),
  });
}
