{{/* The operator's environment variables (DRIFTLEAD_*), from the values */}}
{{- define "driftlead.operator.settings" -}}
DRIFTLEAD_CLUSTER: {{ .Values.clusterName | quote }}
DRIFTLEAD_REGISTRIES_DIR: /etc/driftlead/registries
DRIFTLEAD_INFERENCE_IMAGE: {{ include "driftlead.image" (dict "root" . "image" .Values.images.inference) | quote }}
DRIFTLEAD_DRIFT_IMAGE: {{ include "driftlead.image" (dict "root" . "image" .Values.images.drift) | quote }}
DRIFTLEAD_TRAIN_IMAGE: {{ include "driftlead.image" (dict "root" . "image" .Values.images.train) | quote }}
DRIFTLEAD_IMAGE_PULL_POLICY: {{ .Values.pullPolicy }}
DRIFTLEAD_LOG_LEVEL: {{ .Values.operator.logLevel }}
DRIFTLEAD_POLL_SECONDS: {{ .Values.operator.pollSeconds | quote }}
{{- with .Values.watch.namespaces }}
DRIFTLEAD_WATCH_NAMESPACES: {{ join "," . | quote }}
{{- end }}
{{- if .Values.operator.hooks.existingSecret }}
DRIFTLEAD_HOOK_SECRET_FILE: /etc/driftlead/hooks/secret
{{- end }}
{{- end -}}

{{/* One folder for each registry: uri, allow-write, allowed-namespaces and ca.crt from the ConfigMap, token or user and password from its Secret */}}
{{- define "driftlead.operator.registriesVolume" -}}
projected:
  sources:
    - configMap:
        name: {{ include "driftlead.fullname" . }}-registries
        items:
          {{- range include "driftlead.registries" . | fromJsonArray }}
          - {key: {{ .name }}.uri, path: {{ .name }}/uri}
          - {key: {{ .name }}.allow-write, path: {{ .name }}/allow-write}
          {{- if .allowedNamespaces }}
          - {key: {{ .name }}.allowed-namespaces, path: {{ .name }}/allowed-namespaces}
          {{- end }}
          {{- if .caBundle }}
          - {key: {{ .name }}.ca.crt, path: {{ .name }}/ca.crt}
          {{- end }}
          {{- else }} []
          {{- end }}
    {{- range include "driftlead.registries" . | fromJsonArray }}
    {{- if .existingSecret }}
    - secret:
        name: {{ .existingSecret }}
        {{- if .basicAuth }}
        items: [{key: username, path: {{ .name }}/username}, {key: password, path: {{ .name }}/password}]
        {{- else }}
        items: [{key: {{ .tokenKey | default "token" }}, path: {{ .name }}/token}]
        {{- end }}
    {{- end }}
    {{- end }}
{{- end -}}
