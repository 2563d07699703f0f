{{/* Prefix of every name: fullnameOverride, else the release's name, followed by the chart's name if it does not contain it. */}}
{{- define "driftlead.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Selector of the pods of one component: (dict "root" $ "component" "operator") */}}
{{- define "driftlead.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Labels of an object of one component */}}
{{- define "driftlead.labels" -}}
{{ include "driftlead.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: driftlead
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of the pods of one component. They must not change with the chart's version, or an upgrade would restart the pods */}}
{{- define "driftlead.podLabels" -}}
{{ include "driftlead.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* One image reference: (dict "root" $ "image" .Values.images.operator). A digest wins over the tag. */}}
{{- define "driftlead.image" -}}
{{- $image := .image -}}
{{- $name := $image.repository -}}
{{- with $image.registry }}{{ $name = printf "%s/%s" . $name }}{{ end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "driftlead.serviceAccountName" -}}
{{- default (printf "%s-operator" (include "driftlead.fullname" .)) .Values.operator.serviceAccount.name -}}
{{- end -}}

{{/* Security context of the chart's containers other than the operator's */}}
{{- define "driftlead.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Namespaces with a `driftlead-connections`, as a JSON list: the release's own and `connections.namespaces` */}}
{{- define "driftlead.connections.namespaces" -}}
{{- prepend .Values.connections.namespaces .Release.Namespace | uniq | toJson -}}
{{- end -}}

{{/* Whether there is a DSN or Secret for `driftlead-connections`: "true" or empty */}}
{{- define "driftlead.connections.known" -}}
{{- $c := .Values.connections -}}
{{- if and $c.create (or .Values.devStack.enabled $c.existingSecret $c.postgres.dsn) }}true{{ end -}}
{{- end -}}

{{/* Name of the Secret with the connections */}}
{{- define "driftlead.connections.secretName" -}}
{{- default "driftlead-connections" .Values.connections.existingSecret -}}
{{- end -}}

{{/* The volume with the connections, one file for each environment variable */}}
{{- define "driftlead.connections.volume" -}}
name: connections
projected:
  sources:
    - secret: {name: {{ include "driftlead.connections.secretName" . }}, optional: false}
    - configMap: {name: driftlead-connections, optional: true}
{{- end -}}

{{/* Address of a Service of the development stack inside the cluster: (dict "root" $ "name" "mlflow") */}}
{{- define "driftlead.dev.host" -}}
{{- printf "%s-%s.%s.svc" (include "driftlead.fullname" .root) .name .root.Release.Namespace -}}
{{- end -}}

{{/*
A password of the development stack: (dict "root" $ "name" "mlflow"). The value if one is set, else what the cluster
already has, else a new one; remembered in the values, so that one rendering uses the same one everywhere.
*/}}
{{- define "driftlead.dev.password" -}}
{{- $given := .root.Values.devStack.credentials -}}
{{- if not (get $given .name) -}}
{{- $secret := printf "%s-dev-credentials" (include "driftlead.fullname" .root) -}}
{{- $data := (lookup "v1" "Secret" .root.Release.Namespace $secret).data | default dict -}}
{{- $known := get $data .name -}}
{{- $_ := set $given .name (ternary ($known | b64dec) (randAlphaNum 24) (not (empty $known))) -}}
{{- end -}}
{{- get $given .name -}}
{{- end -}}

{{- define "driftlead.dev.dsn" -}}
{{- $password := include "driftlead.dev.password" (dict "root" . "name" "driftlead") -}}
{{- $host := include "driftlead.dev.host" (dict "root" . "name" "postgres") -}}
{{- printf "postgresql://driftlead:%s@%s:5432/driftlead" $password $host -}}
{{- end -}}

{{/* The registries with the development stack's among them, as a JSON list */}}
{{- define "driftlead.registries" -}}
{{- $registries := .Values.registries -}}
{{- $names := list -}}
{{- range $registries }}{{ $names = append $names .name }}{{ end -}}
{{- if and .Values.devStack.enabled (not (has "default" $names)) -}}
{{- $uri := printf "http://%s:5000" (include "driftlead.dev.host" (dict "root" . "name" "mlflow")) -}}
{{- $registries = prepend $registries (dict "name" "default" "trackingURI" $uri) -}}
{{- end -}}
{{- toJson $registries -}}
{{- end -}}

{{/* Checks that the schema cannot express: one sentence for each contradiction. Rendered by NOTES.txt and by the operator. */}}
{{- define "driftlead.validate" -}}
{{- if and .Values.monitoring.serviceMonitor.enabled .Values.monitoring.podMonitor.enabled -}}
{{- fail "monitoring.serviceMonitor.enabled and monitoring.podMonitor.enabled are both true: every sample would be scraped twice; enable one of them" -}}
{{- end -}}
{{- $seen := dict -}}
{{- range .Values.registries -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "registries: the name %q occurs twice: resources refer to a registry by its name; use a different name for each" .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- if and .basicAuth (or .tokenKey (not .existingSecret)) -}}
{{- fail (printf "registries: %q has basicAuth, which needs the keys username and password in existingSecret: set existingSecret, and leave tokenKey out" .name) -}}
{{- end -}}
{{- end -}}
{{- $c := .Values.connections -}}
{{- if and $c.existingSecret (or $c.postgres.dsn $c.s3.accessKeyID $c.s3.secretAccessKey $c.mlflow.token $c.mlflow.username $c.mlflow.password $c.predictionToken) -}}
{{- fail (printf "connections.existingSecret is %q, and connections also has a DSN, key, password or token, which would be ignored: put it into that Secret, or leave existingSecret empty" $c.existingSecret) -}}
{{- end -}}
{{- if ne (empty $c.s3.accessKeyID) (empty $c.s3.secretAccessKey) -}}
{{- fail "connections.s3.accessKeyID and connections.s3.secretAccessKey must be set together, and one of them is empty: set both or neither" -}}
{{- end -}}
{{- if ne (empty $c.mlflow.username) (empty $c.mlflow.password) -}}
{{- fail "connections.mlflow.username and connections.mlflow.password must be set together, and one of them is empty: set both or neither" -}}
{{- end -}}
{{- if and $c.mlflow.token $c.mlflow.username -}}
{{- fail "connections.mlflow.token and connections.mlflow.username are both set: MLflow's client would ignore the token; set one of them" -}}
{{- end -}}
{{- if and (not .Values.operator.serviceAccount.create) (not .Values.operator.serviceAccount.name) -}}
{{- fail "operator.serviceAccount.create is false and operator.serviceAccount.name is empty: set the name of the service account that the operator should use" -}}
{{- end -}}
{{- if and $c.create $c.namespaces (not (include "driftlead.connections.known" .)) -}}
{{- fail (printf "connections.namespaces is %s, but there are no connections to store there: set connections.postgres.dsn, connections.existingSecret or devStack.enabled" (toJson $c.namespaces)) -}}
{{- end -}}
{{- end -}}
