// Images as github.com/distribution/reference reads them, by its own examples: the kubelet takes no others.
import { expect, test } from "bun:test";
import { Failed } from "./errors.ts";
import { operation } from "./operation.ts";
import { inputOf } from "./request.ts";

const key = { cluster: "c", namespace: "n", resource: "deployments", name: "web" };
const sha256 = "a".repeat(64);

function taken(image: string): boolean {
  try {
    inputOf(operation("workload.setImage"), { ...key, image });
    return true;
  } catch (cause) {
    expect(cause).toMatchObject({ code: "request.invalid", params: { field: "image" } });
    expect(cause).toBeInstanceOf(Failed);
    return false;
  }
}

test.each([
  "app",
  "app:1",
  "test.com:8080",
  "library/app:latest",
  "docker.io/library/app",
  "registry.example.com/shop/web:1.4.2",
  "registry.example.com:5000/shop/web:1.4.2",
  "localhost/app:1",
  "localhost:5000/app:1",
  "127.0.0.1:5000/app:1",
  "[2001:db8::1]/app:1",
  "[2001:db8::1]:5000/app:1",
  "[::1]:5000/a/b/c:tag",
  "Registry.example.com/app:1",
  "REGISTRY/app:1",
  "sub-dom1.foo.com/bar/baz/quux",
  "xn--n3h.com/myimage:xn--n3h.com",
  "xn--7o8h.com:443/myimage:tag",
  "foo_bar.com:8080",
  "foo/foo_bar.com:8080",
  "a--b/c__d/e.f_g:V1.0_x-Y",
  `app@sha256:${sha256}`,
  `app:1@sha256:${sha256}`,
  `app@sha384:${"b".repeat(96)}`,
  `app@sha512:${"c".repeat(128)}`,
  `registry.example.com:5000/app:1@sha256:${sha256}`,
  `${sha256}:1`,
  `library/${sha256}`,
  `app:${"t".repeat(128)}`,
  `${"a/".repeat(127)}a`,
])("%s is an image", (image) => {
  expect(taken(image)).toBe(true);
});

test.each([
  "",
  "App:1",
  "Uppercase:tag",
  "test:5000/Uppercase/lowercase:tag",
  "registry.example.com/Shop/web",
  ":justtag",
  "app:",
  "app:-tag",
  "app:.tag",
  `app:${"t".repeat(129)}`,
  "app@sha256:short",
  `app@sha256:${"A".repeat(64)}`,
  `app@sha256:${"a".repeat(63)}`,
  `app@md5:${"a".repeat(32)}`,
  `app@validname:${sha256}`,
  `@sha256:${sha256}`,
  sha256,
  "-app",
  "app-",
  "a//b",
  "foo_bar.com:8080/app",
  "a/b/",
  "/app",
  "a___b",
  "a..b",
  "a._b",
  "app:1:2",
  "-foo/bar",
  "foo-.com/bar/",
  "[2001:db8::1/app:1",
  "2001:db8::1/app:1",
  "[2001:db8::g]/app",
  "[fe80::1%eth0]:5000/app",
  "https://registry.example.com/app:1",
  "docker://app:1",
  "registry.example.com:port/app",
  "app :1",
  " app",
  "app\n",
  "app\u0000",
  "прило/app",
  `${"a/".repeat(128)}a`,
])("%j is none", (image) => {
  expect(taken(image)).toBe(false);
});

test("a text of the greatest length that is none is refused at once", () => {
  const began = performance.now();
  for (const piece of ["a-", "a.", "a_", "a/", "A.", "a:"]) expect(taken(`${piece.repeat(499)}!`)).toBe(false);
  // By a grammar that went back and forth it would be minutes.
  expect(performance.now() - began).toBeLessThan(5_000);
});
