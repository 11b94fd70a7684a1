// The user noun: logging in and out, who am I, a new password.
import { toFailure } from "../contract/errors.ts";
import { accountPage } from "../views/account.tsx";
import { loginPage } from "../views/login.tsx";
import type { Auth } from "./auth.ts";
import { doorName } from "./door.ts";
import { ownPath } from "./own-path.ts";
import { type AnyAnswer, type Asked, answer } from "./route.ts";
import type { SessionCookie } from "./session-cookie.ts";

export interface UserDeps {
  auth: Auth;
  cookie: SessionCookie;
}

export function userAnswers({ auth, cookie }: UserDeps): AnyAnswer[] {
  return [
    answer("user.login", {
      async run({ username, password }, { request, door, from, headers }) {
        const { token, expiresIn, actor } = await auth.login(username, password, from, doorName(request, door));
        // A page never sees its token; a client that asks in JSON keeps no cookie.
        if (door !== "json") headers.append("set-cookie", cookie.set(token, expiresIn));
        return { accessToken: token, expiresIn, refreshAfter: Math.floor(expiresIn / 2), user: actor };
      },
      goTo: (_, { next }) => ownPath(next) ?? "/fleet",
      failed: (failed, given, { context }) =>
        loginPage(context, {
          failure: toFailure(failed),
          username: typeof given.username === "string" ? given.username : undefined,
          next: ownPath(given.next),
        }),
    }),
    answer("user.logout", {
      async run(_, { actor, headers }) {
        await auth.logout(actor!);
        headers.append("set-cookie", cookie.set("", 0));
        return {};
      },
      goTo: () => "/login",
    }),
    answer("user.account", {
      run: async (_, asked) => user(asked),
      page: (output, _, { context, request }) =>
        accountPage(context, output, { done: new URL(request.url).searchParams.has("done") }),
    }),
    answer("user.changePassword", {
      async run({ oldPassword, newPassword }, asked) {
        await auth.changePassword(asked.actor!, oldPassword, newPassword, asked.from);
        return { ...user(asked), firstPassword: false };
      },
      goTo: () => "/account?done=1",
      failed: (failed, _, asked) =>
        accountPage(asked.context, { ...user(asked), $typeName: "lizardcd.v1.User" }, { failure: toFailure(failed) }),
    }),
  ];
}

function user({ actor }: Asked) {
  const { username = "", role = "", firstPassword = false } = actor ?? {};
  return { username, role, firstPassword };
}
