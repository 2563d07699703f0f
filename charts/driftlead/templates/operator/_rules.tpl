{{/*
The operator's rights in the namespaces that it watches: each verb with its reason. It does not read Secrets or ConfigMaps:
missing connections show in the waiting reason of the pods.
*/}}
{{- define "driftlead.operator.rules" -}}
# The resources are only watched; the operator writes their status alone.
- apiGroups: [driftlead.dev]
  resources: [modeldeployments]
  verbs: [get, list, watch]
- apiGroups: [driftlead.dev]
  resources: [modeldeployments/status]
  verbs: [patch]
# Owner references that block deletion need this right where OwnerReferencesPermissionEnforcement is on (OpenShift).
- apiGroups: [driftlead.dev]
  resources: [modeldeployments/finalizers]
  verbs: [update]
# Children: watched for changes by others; applied (a server-side apply that creates an object needs `create` in addition to
# `patch`); deleted when their part of the spec is removed.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [cronjobs]
  verbs: [get, list, watch, create, patch, delete]
# Retraining: created once, with a name derived from the report; Kubernetes removes old Jobs by their TTL.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# The pod template of the last good version is in its ReplicaSet.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, watch]
# Why a pod is not ready, its termination message, and the address of its /health.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# Events for users; a repeated event is patched. Why a Job has no pod (a quota, an admission policy) is in an event alone: it is
# read (list) while a Job has none.
- apiGroups: [""]
  resources: [events]
  verbs: [list, create, patch]
{{- end -}}
