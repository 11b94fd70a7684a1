/** The part of the Prometheus operator's ServiceMonitor that the charts use: a field of another name is refused. */
const text = { type: "string" };
const labels = { type: "object", additionalProperties: text };

export const serviceMonitors = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "servicemonitors.monitoring.coreos.com" },
  spec: {
    group: "monitoring.coreos.com",
    scope: "Namespaced",
    names: { kind: "ServiceMonitor", plural: "servicemonitors", singular: "servicemonitor" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            required: ["spec"],
            properties: {
              spec: {
                type: "object",
                required: ["endpoints", "selector"],
                properties: {
                  selector: { type: "object", properties: { matchLabels: labels } },
                  endpoints: {
                    type: "array",
                    items: { type: "object", properties: { port: text, path: text, interval: text, scheme: text } },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};
