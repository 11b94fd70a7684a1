{{- define "lizardcd-agent.name" -}}
{{- tpl .Values.nameOverride . | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "lizardcd-agent.fullname" -}}
{{- $given := tpl .Values.fullnameOverride . -}}
{{- $name := include "lizardcd-agent.name" . -}}
{{- $both := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- $given | default $both | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* Of what is the whole cluster's: two releases of one name in two namespaces are two. */}}
{{- define "lizardcd-agent.clusterwide" -}}
{{- printf "%s-%s" .Release.Namespace (include "lizardcd-agent.fullname" .) -}}
{{- end -}}

{{- define "lizardcd-agent.selector" -}}
app.kubernetes.io/name: {{ include "lizardcd-agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of the pod that `helm test` runs. */}}
{{- define "lizardcd-agent.testLabels" -}}
app.kubernetes.io/name: {{ include "lizardcd-agent.name" . | trunc 58 | trimSuffix "-" }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "lizardcd-agent.labels" -}}
{{ include "lizardcd-agent.selector" . }}
app.kubernetes.io/component: agent
app.kubernetes.io/part-of: lizardcd
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "lizardcd-agent.account" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "lizardcd-agent.fullname" .) "default") -}}
{{- end -}}

{{/* Where the token is, and under which key: { secret, key }; the key is empty where there is none. */}}
{{- define "lizardcd-agent.token" -}}
{{- if .Values.existingSecret -}}
{{- dict "secret" (tpl .Values.existingSecret .) "key" .Values.existingSecretKey | toJson -}}
{{- else -}}
{{- $key := empty .Values.token | ternary (empty .Values.joinToken | ternary "" "join-token") "token" -}}
{{- dict "secret" (include "lizardcd-agent.fullname" .) "key" $key | toJson -}}
{{- end -}}
{{- end -}}

{{/* True where the identity must outlive the pod: what a one-time token was given for cannot be had again. */}}
{{- define "lizardcd-agent.keeps" -}}
{{- if and (not .Values.tls.existingSecret) (ne (include "lizardcd-agent.token" . | fromJson).key "join-token") -}}true{{- end -}}
{{- end -}}

{{- define "lizardcd-agent.identity" -}}
{{- include "lizardcd-agent.fullname" . -}}-identity
{{- end -}}

{{/* { kind, address }: the agent's own registry, or the one that the release above brings or names. */}}
{{- define "lizardcd-agent.registry" -}}
{{- $shared := (.Values.global | default dict).registry | default dict -}}
{{- $found := list -}}
{{- $said := list -}}
{{- if .Values.etcd.hosts }}{{- $found = append $found (dict "kind" "etcd" "address" .Values.etcd.hosts) }}{{- $said = append $said "etcd.hosts" }}{{- end -}}
{{- if .Values.consul.host }}{{- $found = append $found (dict "kind" "consul" "address" .Values.consul.host) }}{{- $said = append $said "consul.host" }}{{- end -}}
{{- if .Values.nacos.host }}{{- $found = append $found (dict "kind" "nacos" "address" .Values.nacos.host) }}{{- $said = append $said "nacos.host" }}{{- end -}}
{{- $kind := $shared.kind | default "none" -}}
{{- if ne $kind "none" -}}
{{- $said = append $said (printf "global.registry.kind=%s" $kind) -}}
{{- $bundled := dict "etcd" (printf "http://%s-etcd:2379" .Release.Name) "consul" (printf "http://%s-consul:8500" .Release.Name) "nacos" (printf "%s-nacos:8848" .Release.Name) -}}
{{- $address := $shared.address | default (get $bundled $kind) -}}
{{- $found = append $found (dict "kind" $kind "address" (eq $kind "etcd" | ternary (list $address) $address)) -}}
{{- end -}}
{{- if gt (len $found) 1 -}}
{{- fail (printf "an agent announces itself to one registry, but %s are given: keep one of them" (join " and " $said)) -}}
{{- end -}}
{{- first (append $found (dict "kind" "none" "address" "")) | toJson -}}
{{- end -}}

{{/* True where the server calls the agent at its address, not over a connection that the agent made. */}}
{{- define "lizardcd-agent.listens" -}}
{{- if or (eq .Values.reach "address") (ne (include "lizardcd-agent.registry" . | fromJson).kind "none") -}}true{{- end -}}
{{- end -}}

{{/* What no schema can say, in words. */}}
{{- define "lizardcd-agent.check" -}}
{{- if not .Values.cluster -}}
{{- fail "cluster is needed, since an agent in a cluster cannot know its name: --set cluster=eu-1" -}}
{{- end -}}
{{- if not (regexMatch "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$" .Values.cluster) -}}
{{- fail (printf "cluster %q is not a cluster name: lower case letters, digits, dots and dashes" .Values.cluster) -}}
{{- end -}}
{{- if not .Values.server -}}
{{- if not .Values.tls.existingSecret -}}
{{- fail "server is needed: where the agent gets its certificate, and announces itself where no registry is given: --set server=https://lizardcd.example.com" -}}
{{- else if eq (include "lizardcd-agent.registry" . | fromJson).kind "none" -}}
{{- fail "server or a registry is needed: the agent has to announce itself somewhere: --set server=https://lizardcd.example.com" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.serverCa.data (tpl .Values.serverCa.existingSecret .) -}}
{{- fail "serverCa.existingSecret and serverCa.data both say which CA to trust: keep one of them" -}}
{{- end -}}
{{- $ways := list -}}
{{- if .Values.token }}{{- $ways = append $ways "token" }}{{- end -}}
{{- if .Values.joinToken }}{{- $ways = append $ways "joinToken" }}{{- end -}}
{{- if .Values.existingSecret }}{{- $ways = append $ways "existingSecret" }}{{- end -}}
{{- if .Values.tls.existingSecret }}{{- $ways = append $ways "tls.existingSecret" }}{{- end -}}
{{- if gt (len $ways) 1 -}}
{{- fail (printf "an agent proves itself in one way, but %s are given: keep one of them" (join " and " $ways)) -}}
{{- end -}}
{{- if and .Values.impersonateUsers (not .Values.impersonate) -}}
{{- fail "impersonateUsers says whom the agent may stand for, but impersonate is false: set impersonate=true" -}}
{{- end -}}
{{- /* A kept identity needs no token any more: an upgrade may leave it out. */ -}}
{{- if and (not $ways) .Release.IsInstall -}}
{{- fail (printf "token is needed: make one with `lizardcd agents enroll --cluster %s`; or give joinToken, existingSecret or tls.existingSecret" .Values.cluster) -}}
{{- end -}}
{{- if and .Values.rbac.create (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.name is needed with serviceAccount.create=false: rights are not given to the account default" -}}
{{- end -}}
{{- end -}}

{{- define "lizardcd-agent.impersonation" -}}
{{- printf "%s-impersonation" (include "lizardcd-agent.clusterwide" .) -}}
{{- end -}}

{{- define "lizardcd-agent.settings" -}}
{{- $registry := include "lizardcd-agent.registry" . | fromJson -}}
{{- $token := include "lizardcd-agent.token" . | fromJson -}}
{{- $all := dict
  "cluster" .Values.cluster
  "metrics-addr" ":15017"
  "http.plain" true
  "grpc-addr" (include "lizardcd-agent.listens" . | empty | ternary "127.0.0.1:5017" ":5017")
-}}
{{- with .Values.labels }}{{- $_ := set $all "labels" . }}{{- end }}
{{- with .Values.namespaces }}{{- $_ := set $all "namespaces" . }}{{- end }}
{{- with tpl .Values.server . }}{{- $_ := set $all "server" . }}{{- end }}
{{- if tpl .Values.serverCa.existingSecret . }}{{- $_ := set $all "server-ca" (printf "/etc/lizardcd/server-ca/%s" .Values.serverCa.key) }}{{- end }}
{{- with .Values.serverCa.data }}{{- $_ := set $all "server-ca-data" . }}{{- end }}
{{- with $token.key }}{{- $_ := set $all (printf "%s-file" .) (printf "/etc/lizardcd/token/%s" .) }}{{- end }}
{{- if include "lizardcd-agent.keeps" . }}{{- $_ := set $all "identity-secret" (include "lizardcd-agent.identity" .) }}{{- end }}
{{- if .Values.tls.existingSecret }}
{{- $_ := set $all "tls.ca" "/etc/lizardcd/tls/ca.crt" }}
{{- $_ := set $all "tls.cert" "/etc/lizardcd/tls/tls.crt" }}
{{- $_ := set $all "tls.key" "/etc/lizardcd/tls/tls.key" }}
{{- end }}
{{- if .Values.server }}{{- $_ := set $all "reach" .Values.reach }}{{- end }}
{{- if .Values.rbac.readOnly }}{{- $_ := set $all "read-only" true }}{{- end }}
{{- if .Values.impersonate }}{{- $_ := set $all "impersonate" true }}{{- end }}
{{- with .Values.announceAddress }}{{- $_ := set $all "announce-addr" . }}{{- end }}
{{- with .Values.servicePrefix }}{{- $_ := set $all "service-prefix" . }}{{- end }}
{{- if eq $registry.kind "etcd" }}
{{- $_ := set $all "etcd-host" $registry.address }}
{{- with .Values.etcd.username }}{{- $_ := set $all "etcd-username" . }}{{- end }}
{{- if .Values.etcd.existingSecret }}{{- $_ := set $all "etcd-password-file" "/etc/lizardcd/etcd/password" }}{{- end }}
{{- if .Values.etcd.tlsSecret }}
{{- $_ := set $all "etcd-ca" "/etc/lizardcd/etcd-tls/ca.crt" }}
{{- $_ := set $all "etcd-cert" "/etc/lizardcd/etcd-tls/tls.crt" }}
{{- $_ := set $all "etcd-key" "/etc/lizardcd/etcd-tls/tls.key" }}
{{- end }}
{{- else if eq $registry.kind "consul" }}
{{- $_ := set $all "consul-host" $registry.address }}
{{- if .Values.consul.existingSecret }}{{- $_ := set $all "consul-token-file" "/etc/lizardcd/consul/token" }}{{- end }}
{{- if .Values.consul.caSecret }}{{- $_ := set $all "consul-ca" "/etc/lizardcd/consul-ca/ca.crt" }}{{- end }}
{{- else if eq $registry.kind "nacos" }}
{{- $_ := set $all "nacos-host" $registry.address }}
{{- with .Values.nacos.namespaceId }}{{- $_ := set $all "nacos-namespace-id" . }}{{- end }}
{{- with .Values.nacos.group }}{{- $_ := set $all "nacos-group" . }}{{- end }}
{{- with .Values.nacos.username }}{{- $_ := set $all "nacos-username" . }}{{- end }}
{{- if .Values.nacos.existingSecret }}{{- $_ := set $all "nacos-password-file" "/etc/lizardcd/nacos/password" }}{{- end }}
{{- end }}
{{- mergeOverwrite $all .Values.settings | toYaml -}}
{{- end -}}

{{/* Secrets that are mounted: a folder of /etc/lizardcd for each. */}}
{{- define "lizardcd-agent.mounts" -}}
{{- $token := include "lizardcd-agent.token" . | fromJson -}}
{{- $mounts := dict -}}
{{- if $token.key }}{{- $_ := set $mounts "token" $token.secret }}{{- end }}
{{- with tpl .Values.serverCa.existingSecret . }}{{- $_ := set $mounts "server-ca" . }}{{- end }}
{{- with .Values.tls.existingSecret }}{{- $_ := set $mounts "tls" . }}{{- end }}
{{- with .Values.etcd.existingSecret }}{{- $_ := set $mounts "etcd" . }}{{- end }}
{{- with .Values.etcd.tlsSecret }}{{- $_ := set $mounts "etcd-tls" . }}{{- end }}
{{- with .Values.consul.existingSecret }}{{- $_ := set $mounts "consul" . }}{{- end }}
{{- with .Values.consul.caSecret }}{{- $_ := set $mounts "consul-ca" . }}{{- end }}
{{- with .Values.nacos.existingSecret }}{{- $_ := set $mounts "nacos" . }}{{- end }}
{{- $mounts | toJson -}}
{{- end -}}

{{/* What the agent asks the API server for, and no more. */}}
{{- define "lizardcd-agent.rules" -}}
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets, replicasets, controllerrevisions]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods, pods/log, events]
  verbs: [get, list, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch]
{{- /* What is done in somebody's name needs no right of the agent's own. */}}
{{- if not (or .Values.rbac.readOnly .Values.impersonate) }}
- apiGroups: [apps]
  resources: [deployments, statefulsets, daemonsets]
  verbs: [patch]
{{- end }}
{{- with .Values.rbac.extraRules }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "lizardcd-agent.env" -}}
- name: POD_IP
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
