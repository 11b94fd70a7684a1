{{- define "lizardcd-server.name" -}}
{{- tpl .Values.nameOverride . | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "lizardcd-server.fullname" -}}
{{- $given := tpl .Values.fullnameOverride . -}}
{{- $name := include "lizardcd-server.name" . -}}
{{- $both := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- $given | default $both | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "lizardcd-server.selector" -}}
app.kubernetes.io/name: {{ include "lizardcd-server.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Of the pod that `helm test` runs. */}}
{{- define "lizardcd-server.testLabels" -}}
app.kubernetes.io/name: {{ include "lizardcd-server.name" . | trunc 58 | trimSuffix "-" }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "lizardcd-server.labels" -}}
{{ include "lizardcd-server.selector" . }}
app.kubernetes.io/component: server
app.kubernetes.io/part-of: lizardcd
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "lizardcd-server.account" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "lizardcd-server.fullname" .) "default") -}}
{{- end -}}

{{- define "lizardcd-server.secret" -}}
{{- tpl .Values.existingSecret . | default (include "lizardcd-server.fullname" .) -}}
{{- end -}}

{{/* The Secret that the server serves TLS with; empty where it listens in plain HTTP. */}}
{{- define "lizardcd-server.tls" -}}
{{- $shared := (.Values.global | default dict).tls | default dict -}}
{{- if .Values.tls.existingSecret -}}
{{- .Values.tls.existingSecret -}}
{{- else if or .Values.tls.selfSigned $shared.selfSigned -}}
{{- include "lizardcd-server.fullname" . -}}-tls
{{- end -}}
{{- end -}}

{{/* What people type into their browser; empty where nobody says. */}}
{{- define "lizardcd-server.publicUrl" -}}
{{- $ingress := .Values.ingress -}}
{{- if .Values.publicUrl -}}
{{- .Values.publicUrl -}}
{{- else if and $ingress.enabled $ingress.host -}}
{{- printf "%s://%s" (empty $ingress.tlsSecret | ternary "http" "https") $ingress.host -}}
{{- end -}}
{{- end -}}

{{/* The names inside of the cluster, those that the certificate is made for, and those that are given. */}}
{{- define "lizardcd-server.hosts" -}}
{{- $hosts := list -}}
{{- range $service := list (include "lizardcd-server.fullname" .) (printf "%s-metrics" (include "lizardcd-server.fullname" .)) -}}
{{- $within := printf "%s.%s" $service $.Release.Namespace -}}
{{- $hosts = concat $hosts (list $service $within (printf "%s.svc" $within) (printf "%s.svc.cluster.local" $within)) -}}
{{- end -}}
{{- concat $hosts .Values.tls.names .Values.hosts | toJson -}}
{{- end -}}

{{/* A registry that the release above brings or names, as an address to look in: { kind, address }. */}}
{{- define "lizardcd-server.shared" -}}
{{- $registry := (.Values.global | default dict).registry | default dict -}}
{{- $kind := $registry.kind | default "none" -}}
{{- $bundled := dict "none" "" "etcd" (printf "http://%s-etcd:2379" .Release.Name) "consul" (printf "http://%s-consul:8500" .Release.Name) "nacos" (printf "%s-nacos:8848" .Release.Name) -}}
{{- dict "kind" $kind "address" ($registry.address | default (get $bundled $kind)) | toJson -}}
{{- end -}}

{{- define "lizardcd-server.settings" -}}
{{- $shared := include "lizardcd-server.shared" . | fromJson -}}
{{- $etcd := concat .Values.etcd.addresses (eq $shared.kind "etcd" | ternary (list $shared.address) list) -}}
{{- $consul := concat .Values.consul.addresses (eq $shared.kind "consul" | ternary (list $shared.address) list) -}}
{{- $nacos := concat .Values.nacos.addresses (eq $shared.kind "nacos" | ternary (list $shared.address) list) -}}
{{- $all := dict
  "http-addr" ":5117"
  "metrics-addr" ":15117"
  "http.plain" true
  "data" "/data"
  "embedded" .Values.embedded
  "access.secret-file" "/etc/lizardcd/secret/access-secret"
  "join-token-file" "/etc/lizardcd/secret/join-token"
-}}
{{- with include "lizardcd-server.publicUrl" . }}
{{- $_ := set $all "public-url" . }}
{{- /* With an address that people use, the server answers to known names alone: agents and Prometheus come by these. */}}
{{- $_ := set $all "http.hosts" (include "lizardcd-server.hosts" $ | fromJsonArray) }}
{{- end }}
{{- with .Values.trustedProxies }}{{- $_ := set $all "http.trusted-proxies" . }}{{- end }}
{{- with .Values.servicePrefix }}{{- $_ := set $all "service-prefix" . }}{{- end }}
{{- if include "lizardcd-server.tls" . }}
{{- $_ := set $all "http.tls.cert" "/etc/lizardcd/tls/tls.crt" }}
{{- $_ := set $all "http.tls.key" "/etc/lizardcd/tls/tls.key" }}
{{- /* Not every issuer tells its CA: the server goes on where the file is missing or empty. */}}
{{- $_ := set $all "http.tls.ca" "/etc/lizardcd/tls/ca.crt" }}
{{- end }}
{{- if .Values.agentTls.existingSecret }}
{{- $_ := set $all "tls.ca" "/etc/lizardcd/agent-tls/ca.crt" }}
{{- $_ := set $all "tls.cert" "/etc/lizardcd/agent-tls/tls.crt" }}
{{- $_ := set $all "tls.key" "/etc/lizardcd/agent-tls/tls.key" }}
{{- end }}
{{- if $etcd }}
{{- $_ := set $all "etcd-addr" $etcd }}
{{- with .Values.etcd.username }}{{- $_ := set $all "etcd-username" . }}{{- end }}
{{- if .Values.etcd.existingSecret }}{{- $_ := set $all "etcd-password-file" "/etc/lizardcd/etcd/password" }}{{- end }}
{{- if .Values.etcd.tlsSecret }}
{{- $_ := set $all "etcd-ca" "/etc/lizardcd/etcd-tls/ca.crt" }}
{{- $_ := set $all "etcd-cert" "/etc/lizardcd/etcd-tls/tls.crt" }}
{{- $_ := set $all "etcd-key" "/etc/lizardcd/etcd-tls/tls.key" }}
{{- end }}
{{- end }}
{{- if $consul }}
{{- $_ := set $all "consul-addr" $consul }}
{{- if .Values.consul.existingSecret }}{{- $_ := set $all "consul-token-file" "/etc/lizardcd/consul/token" }}{{- end }}
{{- if .Values.consul.caSecret }}{{- $_ := set $all "consul-ca" "/etc/lizardcd/consul-ca/ca.crt" }}{{- end }}
{{- end }}
{{- if $nacos }}
{{- $_ := set $all "nacos-addr" $nacos }}
{{- with .Values.nacos.namespaceId }}{{- $_ := set $all "nacos-namespace-id" . }}{{- end }}
{{- with .Values.nacos.group }}{{- $_ := set $all "nacos-group" . }}{{- end }}
{{- with .Values.nacos.username }}{{- $_ := set $all "nacos-username" . }}{{- end }}
{{- if .Values.nacos.existingSecret }}{{- $_ := set $all "nacos-password-file" "/etc/lizardcd/nacos/password" }}{{- end }}
{{- end }}
{{- mergeOverwrite $all .Values.settings | toYaml -}}
{{- end -}}

{{/* Secrets that are mounted beside the server's own: a folder of /etc/lizardcd for each. */}}
{{- define "lizardcd-server.mounts" -}}
{{- $mounts := dict -}}
{{- with include "lizardcd-server.tls" . }}{{- $_ := set $mounts "tls" . }}{{- end }}
{{- with .Values.agentTls.existingSecret }}{{- $_ := set $mounts "agent-tls" . }}{{- end }}
{{- with .Values.etcd.existingSecret }}{{- $_ := set $mounts "etcd" . }}{{- end }}
{{- with .Values.etcd.tlsSecret }}{{- $_ := set $mounts "etcd-tls" . }}{{- end }}
{{- with .Values.consul.existingSecret }}{{- $_ := set $mounts "consul" . }}{{- end }}
{{- with .Values.consul.caSecret }}{{- $_ := set $mounts "consul-ca" . }}{{- end }}
{{- with .Values.nacos.existingSecret }}{{- $_ := set $mounts "nacos" . }}{{- end }}
{{- $mounts | toJson -}}
{{- end -}}
