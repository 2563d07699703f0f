{{/* Common fields of the stack's pod specs. (dict "root" $ "component" "minio") */}}
{{- define "driftlead.dev.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml .Values.devStack.podSecurityContext | nindent 2 }}
{{- with .Values.devStack.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.devStack.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Metadata of a pod; changed credentials restart it, because each program reads them at start */}}
{{- define "driftlead.dev.podMetadata" -}}
labels:
  {{- include "driftlead.podLabels" . | nindent 2 }}
  {{- with .root.Values.devStack.podLabels }}{{ toYaml . | nindent 2 }}{{ end }}
annotations:
  checksum/credentials: {{ include "driftlead.dev.credentials" .root | sha256sum }}
{{- end -}}

{{- define "driftlead.dev.credentials" -}}
{{- range $name := list "postgres" "driftlead" "mlflow" "minio" }}
{{- printf "%s: %s\n" $name (include "driftlead.dev.password" (dict "root" $ "name" $name) | quote) }}
{{- end }}
{{- end -}}

{{- define "driftlead.dev.secretName" -}}
{{ include "driftlead.fullname" . }}-dev-credentials
{{- end -}}

{{/* The data volume: (dict "root" $ "component" "minio") */}}
{{- define "driftlead.dev.dataVolume" -}}
name: data
{{- if .root.Values.devStack.persistence.enabled }}
persistentVolumeClaim: {claimName: {{ include "driftlead.fullname" .root }}-{{ .component }}}
{{- else }}
emptyDir: {}
{{- end }}
{{- end -}}

{{/* Its PersistentVolumeClaim, if enabled; kept after uninstall, as its passwords are */}}
{{- define "driftlead.dev.claim" -}}
{{- with .root.Values.devStack.persistence }}
{{- if .enabled }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "driftlead.fullname" $.root }}-{{ $.component }}
  namespace: {{ $.root.Release.Namespace }}
  labels: {{- include "driftlead.labels" $ | nindent 4 }}
  annotations: {helm.sh/resource-policy: keep}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .storageClassName }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ .size }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/* A Service of the stack: (dict "root" $ "component" "minio" "port" 9000) */}}
{{- define "driftlead.dev.service" -}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "driftlead.fullname" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "driftlead.labels" . | nindent 4 }}
spec:
  selector: {{- include "driftlead.selector" . | nindent 4 }}
  ports: [{name: {{ .component }}, port: {{ .port }}, targetPort: {{ .component }}}]
{{- end -}}
