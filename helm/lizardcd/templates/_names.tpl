{{- define "lizardcd.labels" -}}
app.kubernetes.io/name: {{ .kind }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: registry
app.kubernetes.io/part-of: lizardcd
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "lizardcd.selector" -}}
app.kubernetes.io/name: {{ .kind }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{/* How each registry is run: image, ports, command, the folders it writes to. */}}
{{- define "lizardcd.registry" -}}
etcd:
  ports: { client: 2379 }
  port: client
  path: /health
  command:
    - etcd
    - --name=lizardcd
    - --data-dir=/data
    - --listen-client-urls=http://{{ .Values.registryListenAddress }}:2379
    - --advertise-client-urls=http://{{ .Release.Name }}-etcd:2379
    - --listen-peer-urls=http://127.0.0.1:2380
    - --auto-compaction-mode=periodic
    - --auto-compaction-retention=1h
  writes: [/data]
consul:
  ports: { http: 8500 }
  port: http
  # Answers only once there is a leader.
  path: /v1/catalog/nodes
  command:
    - consul
    - agent
    - -server
    - -bootstrap-expect=1
    - -bind=127.0.0.1
    - {{ printf "-client=%s" (trimAll "[]" .Values.registryListenAddress) | quote }}
    - -data-dir=/data
    - -disable-host-node-id=true
  writes: [/data]
nacos:
  ports: { http: 8848, grpc: 9848 }
  port: http
  # Its health addresses differ from version to version.
  path: ""
  env:
    MODE: standalone
    FUNCTION_MODE: naming
    NACOS_AUTH_ENABLE: "false"
    NACOS_AUTH_ADMIN_ENABLE: "false"
    # The image asks for these even where nobody signs in.
    NACOS_AUTH_TOKEN: bGl6YXJkY2Qgc2lnbnMgbm9ib2R5IGluIHdpdGggdGhpcw==
    NACOS_AUTH_IDENTITY_KEY: lizardcd
    NACOS_AUTH_IDENTITY_VALUE: lizardcd
    JVM_XMS: 256m
    JVM_XMX: 512m
    # Beyond the whole heap where the image says it.
    JVM_XMN: 128m
    # A user whom the image does not know has no home, and Nacos does not start without one.
    JAVA_TOOL_OPTIONS: -Duser.home=/tmp
  writes: [/home/nacos/data, /home/nacos/logs, /home/nacos/tmp]
{{- end -}}
