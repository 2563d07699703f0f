-- Health of a ModelDeployment for Argo CD. Drift does not make it unhealthy: an Application must not turn red because traffic changed.
local function condition(kind)
  if obj.status == nil or obj.status.conditions == nil then
    return nil
  end
  for _, each in ipairs(obj.status.conditions) do
    if each.type == kind then
      return each
    end
  end
  return nil
end

local function is_true(kind)
  local found = condition(kind)
  return found ~= nil and found.status == "True"
end

local function said(kind)
  local found = condition(kind)
  if found == nil then
    return ""
  end
  return (found.reason or "") .. ": " .. (found.message or "")
end

local ready = condition("Ready")
if obj.spec ~= nil and obj.spec.suspend == true then
  return { status = "Suspended", message = "spec.suspend is true" }
end
if ready == nil or ready.status == "Unknown" then
  return { status = "Progressing", message = "the operator has not reconciled it yet" }
end
if obj.metadata.generation ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not seen the newest spec yet" }
end
if is_true("Stalled") then
  return { status = "Degraded", message = said("Stalled") }
end
if is_true("Ready") then
  return { status = "Healthy", message = said("Ready") }
end
if is_true("Reconciling") then
  return { status = "Progressing", message = said("Ready") }
end
return { status = "Degraded", message = said("Ready") }
