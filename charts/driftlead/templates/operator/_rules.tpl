{{/*
What the operator may do where it watches: an allow-list, each verb with its reason. It reads no Secret and no ConfigMap:
missing connections show in the waiting reason of the pods.
*/}}
{{- define "driftlead.operator.rules" -}}
# The resources themselves: watched, never written. Their status is ours.
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
# Children: watched to see drift from what is wanted; applied (a server-side apply that creates needs `create` beside
# `patch`); deleted when their block leaves the spec.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [cronjobs]
  verbs: [get, list, watch, create, patch, delete]
# Retraining: created once under a name that follows from the report; Kubernetes removes them when they are old.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# The template of the last good version is found in its ReplicaSet.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, watch]
# Why a pod is not ready, the words it ended with, and the address at which its health is asked.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# What happened, for people: repeated events are patched.
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
