/// What a hand does about a fault. Raw values are stable: they are in checkpoints.
package enum FaultReaction: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  /// Outputs off: motors coast, servos get no pulses.
  case limp
  /// Set-points stop where they are and the law holds them until somebody resets or disarms the hand. Every
  /// other guard stays in force: any further fault makes the hand limp.
  case hold
  /// Motors are shorted (duty 0, drive-enable line live) for a bounded time; then the hand goes limp. It goes
  /// limp at once when anything fails that this duty needs on its way. Servos get no pulses.
  case brake

  /// The reaction in one word, for docs/faults.md.
  package var name: String {
    switch self {
    case .limp: "limp"
    case .hold: "hold"
    case .brake: "brake"
    }
  }
}

extension FaultCode {
  /// What the hand does in the tick that latches the fault.
  package var reaction: FaultReaction {
    @_noLocks get {
      switch self {
      // The hand is well and only its commander is gone: letting go would drop what it holds.
      case .commandTimeout: .hold
      // Too fast already: a shorted motor slows the joint down, an open one lets it fly.
      case .velocityLimit: .brake
      case .none, .eStopLine, .eStopSocket, .eStopRemote, .staleSensor, .implausibleSensor, .busFault,
        .actuatorFault, .innovation, .currentMismatch, .stuckSensor, .positionLimit, .currentLimit,
        .driveEnable, .trackingError, .externalTorque, .overload, .deadlineMisses, .clockJump, .lateTicks,
        .lipschitzViolation, .windowViolation, .uncertifiedBudget, .nonFinite, .decay, .selfTestFailed:
        .limp
      }
    }
  }

  /// A row of the table of faults, docs/faults.md.
  package struct Description: Sendable {
    /// What is compared with what.
    package var detection: String
    /// From the moment that the tick's inputs show the fault to the tick that latches it.
    package var latency: String
    /// How often it speaks up in a healthy hand.
    package var falseAlarms: String
    /// What must be true for a reset, besides what every reset asks for.
    package var reset: String
  }

  /// Nil for `none`. Its numbers are those of the guard.
  package var description: Description? {
    let limits = GuardLimits.standard
    let never = "none: a limit or a state, no statistic"
    let anyone = "by anyone"
    func row(
      _ detection: String, _ latency: String, falseAlarms: String = never, reset: String = anyone
    ) -> Description {
      Description(detection: detection, latency: latency, falseAlarms: falseAlarms, reset: reset)
    }
    switch self {
    case .none: return nil
    case .eStopLine:
      return row(
        "the e-stop line is active, or an edge of it was seen", "0", reset: "locally, with the line inactive")
    case .eStopSocket: return row("`stop` over the control socket", "0", reset: "locally")
    case .eStopRemote: return row("`stop` over MQTT", "0")
    case .staleSensor:
      return row(
        "an encoder sample older than `stale_sample_ms`", "0 after the limit", reset: "every sample fresh")
    case .busFault:
      return row(
        "as stale sensor, and the joint's bus has failed", "0 after the limit", reset: "every sample fresh")
    case .implausibleSensor:
      return row(
        "\(limits.rejectedSamples) samples in a row further from the last good one than \(plain(limits.velocityFactor)) × "
          + "the speed limit and \(plain(limits.jumpDeviations)) σ allow, or a chip "
          + "that says its magnet or its measurement is bad",
        "\(limits.rejectedSamples - 1); health 1 round of the bus's slow readings",
        falseAlarms: "a sample beyond \(plain(limits.jumpDeviations)) σ: 2·10⁻⁹; three in a row: none",
        reset: "the chip says that it is well")
    case .actuatorFault:
      return row(
        "3 writes in a row failed, a PWM chip lost its configuration, a bridge's nFAULT is active, or what a tick "
          + "decided is not written after \(limits.drivenLagTicks) more ticks and `stale_sample_ms`: the thread that "
          + "writes hangs or is dead", "2; read-back 1 round of slow readings; 0 after the limits",
        reset: "the chip configured anew, nFAULT inactive, commands written again")
    case .driveEnable:
      return row(
        "the drive-enable line could not be driven, or reads back otherwise; driven again every tick", "1",
        reset: "the line follows")
    case .innovation:
      return row(
        "the magnitude of measured − predicted angle > \(plain(limits.innovationDeviations)) σ of the observer in "
          + "\(limits.innovationTicks) samples running", "\(limits.innovationTicks - 1)",
        falseAlarms: "(2·10⁻⁹)⁵ a sample under noise alone; a hard object hit at full speed may raise it")
    case .currentMismatch:
      return row(
        "CUSUM of how far each measured current lies outside what the duties of the last three ticks draw, give or "
          + "take `uncertainty.current_share`, in σ (`noise.current_A`), less \(plain(limits.currentDrift)), above "
          + plain(limits.currentThreshold),
        "\(plain(limits.currentThreshold)) / (excess/σ − \(plain(limits.currentDrift))) readings",
        falseAlarms: "4·10⁻⁴ a day for 15 joints with 250 readings/s (Siegmund), if the noise is white")
    case .stuckSensor:
      return row(
        "the encoder's word stayed within ±1 while the set-point moved by \(share(limits.stuckShare)) of "
          + "`tracking_error_rad`, by \(share(limits.blockedShare)) where the motor's current is measured",
        "0 after that way")
    case .positionLimit:
      return row("the estimate is \(limits.positionMarginRadians) rad (5°) outside the joint's range", "0")
    case .velocityLimit:
      return row(
        "the estimate is above \(plain(limits.velocityFactor)) × `velocity_rad_per_s`; limp in place of brake from the tick on that sees an "
          + "actuator, a bus or the drive-enable line fail, or a command of \(limits.brakingLagTicks + 1) ticks ago not written",
        "0")
    case .currentLimit:
      return row(
        "the measured current is above `current_A` for \(limits.overCurrentTicks) ticks",
        "\(limits.overCurrentTicks)")
    case .trackingError:
      return row("the distance of set-point and estimate is above `tracking_error_rad`", "0")
    case .externalTorque:
      return row(
        "the observed load is above \(plain(limits.loadFactor)) × what the drive itself can hold against, for "
          + milliseconds(limits.loadSeconds), milliseconds(limits.loadSeconds),
        falseAlarms: "a static contact cannot exceed what the drive can hold; "
          + "\(milliseconds(limits.loadSeconds)) let impacts pass")
    case .overload:
      return row(
        "the mean square of the current, faded with `thermal_time_constant_s`, is above "
          + "`continuous_current_A` squared", "0")
    case .deadlineMisses:
      return row("more skipped deadlines in the window than `overrun_budget_ticks`", "0")
    case .commandTimeout:
      return row("no streamed set-point for `command_timeout_ms`", "0 after the limit")
    case .clockJump:
      return row(
        "the clock of the ticks went back or stood still, or a tick came \(seconds(limits.longestStallSeconds)) or more after the last one",
        "0")
    case .lateTicks:
      return row(
        "as uncertified budget spent, and most of these ticks came too late for any certificate; or a tick so late that "
          + "the samples are older than `stale_sample_ms` by it: the machine's doing, no joint's", "0")
    case .lipschitzViolation: return row("L of the tick > 1", "0")
    case .windowViolation: return row("Λ, the product of L over the window, ≥ 1", "0")
    case .uncertifiedBudget:
      return row(
        "more ticks without a certificate in the window than `uncertified_budget_ticks`: rate limit, stale sample, "
          + "dt outside the certified range; names the joint that lacked it most; or a joint on its end stop for "
          + milliseconds(limits.endStopSeconds), "0")
    case .nonFinite: return row("an estimate or a current is NaN or infinite", "0")
    case .decay:
      return row(
        "V after a window > Λ · V before it + \(plain(limits.decayFloors)) ν, "
          + "ν = \(plain(limits.noiseFloorDeviations)) × the root mean square that noise makes of V; a "
          + "window in which the load changed by \(plain(limits.loadStepDeviations)) σ says nothing",
        "up to 2 windows",
        falseAlarms: "\(plain(limits.decayFloors * limits.noiseFloorDeviations)) standard deviations: none")
    case .selfTestFailed:
      return row(
        "no \(limits.selfTestTicks) ticks running with fresh samples within "
          + "\(seconds(Double(limits.selfTestNanoseconds) * 1e-9)) of the start", "0")
    }
  }

  /// The rows of docs/faults.md, as Markdown.
  package static var markdownTable: String {
    var lines = [
      "| fault | code | detection | latency, ticks | reaction | false alarms | reset |",
      "|---|---|---|---|---|---|---|",
    ]
    for code in allCases {
      guard let row = code.description else { continue }
      lines.append(
        "| \(code.name) | \(code.rawValue) | \(row.detection) | \(row.latency) | \(code.reaction.name) | "
          + "\(row.falseAlarms) | \(row.reset) |")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

/// The number in digits, a whole one without a decimal point.
private func plain(_ value: Double) -> String {
  value == value.rounded() ? "\(Int(value))" : "\(value)"
}

private func milliseconds(_ seconds: Double) -> String { plain((seconds * 1e6).rounded() * 1e-3) + " ms" }

private func seconds(_ value: Double) -> String { value == 1 ? "a second" : "\(plain(value)) s" }

private func share(_ value: Double) -> String {
  switch value {
  case 0.25: "a quarter"
  case 0.75: "three quarters"
  default: plain(value * 100) + " %"
  }
}
