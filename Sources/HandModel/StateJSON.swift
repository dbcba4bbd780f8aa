import PrimalLogic

extension TickRecord {
  /// The record as flat JSON, the live `state` of the control socket and of MQTT.
  ///
  /// Names are the units' own where a name has one (`_ns`, `_rad`); 64-bit integers are text, because
  /// JavaScript's numbers are exact only to 2⁵³; what is not finite is null. Numbers have the shortest form that
  /// reads back exactly, so L never rounds up to 1. `jointNames` are the board's, in its order.
  package func stateJSON(jointNames: [String], bootID: String) -> String {
    var json = ""
    // One joint takes about 520 bytes with long decimals; reserving saves the growth by doubling.
    json.reserveCapacity(700 + 540 * jointNames.count)
    json += "{\"boot_id\":" + JSON.quoted(bootID)
    json +=
      ",\"seq\":\"\(sequence)\",\"wall_ns\":\"\(wallNanoseconds)\",\"monotonic_ns\":\"\(deadlineNanoseconds)\""
    json += ",\"t\":" + JSON.number(Double(wallNanoseconds) / 1e9)
    json += ",\"state\":\"\(state.name)\",\"mode\":\"\(mode.name)\",\"mode_gauge\":\(mode.rawValue)"
    json += ",\"fault\":" + JSON.quoted(fault.name) + ",\"fault_code\":\(fault.rawValue),\"fault_joint\":"
    json += jointNames.indices.contains(Int(faultJoint)) ? JSON.quoted(jointNames[Int(faultJoint)]) : "null"
    json += ",\"certificate\":\"\(certificate.name)\",\"L\":" + JSON.number(lipschitz)
    json +=
      ",\"rate_per_s\":" + JSON.number(ratePerSecond) + ",\"window_product\":" + JSON.number(windowProduct)
    json += ",\"uncertified_ticks\":\(uncertifiedTicks),\"overruns\":\"\(overruns)\""
    json += ",\"wake_up_ns\":\"\(wakeUpNanoseconds)\",\"compute_ns\":\"\(previousComputeNanoseconds)\""
    json += ",\"dt_ns\":\"\(dtNanoseconds)\",\"command\":\(commandNumber)"
    json += ",\"outputs_enabled\":\(outputsEnabled),\"e_stop_line\":\(eStopLineActive)"
    json += ",\"psi\":" + JSON.number(psi) + ",\"gamma\":" + JSON.number(gamma)
    json += ",\"energy_integral\":" + JSON.number(energyIntegral)
    for index in 0..<min(jointNames.count, Int(jointCount), maximumJoints) {
      joints[index].appendStateJSON(name: jointNames[index], to: &json)
    }
    json += "}"
    return json
  }
}

extension JointRecord {
  /// Appends this joint's fields, each `,"name.field":value`.
  fileprivate func appendStateJSON(name: String, to json: inout String) {
    let quoted = JSON.quoted(name)
    let prefix = ",\(quoted.dropLast())."
    func append(_ field: String, _ value: Double) {
      json += prefix
      json += field
      json += "\":"
      json += JSON.number(value)
    }
    append("position", positionRadians)
    append("velocity", velocityRadiansPerSecond)
    append("setpoint", setpointRadians)
    append("setpoint_velocity", setpointRadiansPerSecond)
    append("nominal", nominalRadians)
    append("innovation", innovationRadians)
    append("memory", memoryRadianSeconds)
    append("torque", torqueNewtonMetres)
    append("current", currentAmperes)
    append("force", forceNewtons)
    append("slope", slope)
    append("L", lipschitz)
    append("distance", distance)
    json += "\(prefix)certificate\":\"\(certificate.name)\"\(prefix)flags\":\(flags)"
    json += "\(prefix)sample_age_ns\":\(sampleAgeNanoseconds)"
  }
}

extension CommandReply {
  /// The reply as every interface sends it: `{"id":…,"status":"executed"}`, or `refused` with its reason.
  package func replyJSON(id: String) -> String {
    switch self {
    case .executed: "{\"id\":\(JSON.quoted(id)),\"status\":\"executed\"}"
    case .refused(let reason):
      "{\"id\":\(JSON.quoted(id)),\"status\":\"refused\",\"reason\":\(JSON.quoted(reason))}"
    }
  }
}
