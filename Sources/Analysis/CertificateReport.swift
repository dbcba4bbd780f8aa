import Control
import Foundation
import HandModel
import PrimalLogic

/// What `motorhand certify` says of a hand: both certificates of each joint, how far its loop may move before
/// they are lost, and what would help where there is none.
package struct CertificateReport: Codable, Sendable {
  /// The certificate N (docs/control.md).
  package struct Nominal: Codable, Sendable {
    /// L of a tick in which nothing saturates, at the nominal period; below 1.
    package var lipschitz: Double
    /// L of a fully saturated tick, at the nominal period.
    package var lipschitzSaturated: Double
    /// Contraction of an unsaturated tick, 1/s.
    package var ratePerSecond: Double
    /// Shortest time between decisions that N covers.
    package var minimumDtSeconds: Double
    /// Longest time between decisions that N covers.
    package var maximumDtSeconds: Double

    init(_ certificate: Certificate) {
      lipschitz = certificate.contraction
      lipschitzSaturated = certificate.saturatedContraction
      ratePerSecond = certificate.ratePerSecond
      minimumDtSeconds = certificate.minimumDt
      maximumDtSeconds = certificate.maximumDt
    }
  }
  /// The certificate U (docs/control.md, "The uncertainty certificate").
  package struct Uncertain: Codable, Sendable {
    /// Largest L of an unsaturated tick over everything uncertain; below 1.
    package var lipschitz: Double
    /// Smallest contraction of an unsaturated tick, 1/s.
    package var ratePerSecond: Double
    /// The contraction that the spectral radii would allow if each corner had its own norm, 1/s.
    package var attainableRatePerSecond: Double
    /// Saturation slope below which U claims nothing, 0 to 1.
    package var smallestSlope: Double
    /// Shortest time between decisions that U covers.
    package var minimumDtSeconds: Double
    /// Longest time between decisions that U covers.
    package var maximumDtSeconds: Double

    init(_ certificate: UncertainCertificate) {
      lipschitz = certificate.contraction
      ratePerSecond = certificate.ratePerSecond
      attainableRatePerSecond = certificate.attainableRatePerSecond
      smallestSlope = certificate.smallestSlope
      minimumDtSeconds = certificate.minimumDt
      maximumDtSeconds = certificate.maximumDt
    }
  }
  /// What is certified of one joint.
  package struct Joint: Codable, Sendable {
    /// As in the board file.
    package var name: String
    /// The finger whose joints pull at each other, this one among them: `nominal` is then the finger's, and
    /// there are neither margins nor U.
    package var finger: String?
    /// Ticks from one decision of the law to the next; N and U speak of decisions.
    package var holdTicks: Int?
    /// Decisions until an output acts; nil where it acts too late for any certificate.
    package var delayTicks: Int?
    /// Nil where there is none; `refusal` says why.
    package var nominal: Nominal?
    /// Nil where there is none; `uncertainRefusal` says why.
    package var uncertain: Uncertain?
    /// How far U lets the inertia lie from the calibrated one, as a share of it.
    package var inertiaShare: Double
    /// How far U lets the damping lie from the calibrated one, as a share of it.
    package var dampingShare: Double
    /// Earliest and latest delay of the output that U covers, in decisions.
    package var delayPeriods: [Double]?
    /// Youngest and oldest age of a sample that U covers, in periods.
    package var agePeriods: [Double]?
    /// States of the loop and its observer in U.
    package var uncertainStates: Int?
    /// How far each parameter may move alone before N is lost; empty without N.
    package var margins: [CertificateMargin]
    /// What is closest to losing N; nil when nothing is within a factor of ten.
    package var limit: String?
    /// Why there is no N: the hand must not be armed.
    package var refusal: String?
    /// Single changes that give N.
    package var remedies: [String]
    /// Why there is no U; the hand may be armed all the same.
    package var uncertainRefusal: String?
  }

  /// Name of the board.
  package var board: String
  /// Name of the calibrated hand.
  package var hand: String
  package var rateHertz: Int
  package var joints: [Joint]

  /// Whether every joint has its certificate N.
  package var isCertified: Bool { joints.allSatisfy { $0.refusal == nil } }

  /// - Parameter progress: called with what is being computed, many times.
  package init(board: Board, calibration: Calibration, progress: (String) -> Void = { _ in }) {
    self.board = board.name
    hand = calibration.hand
    rateHertz = board.control.rateHertz
    let plan = BusPlan(board)
    var fingers: [(model: CoupledModel, joint: Joint)] = []
    var known: [(model: LoopModel, observer: LoopObserver, uncertainty: Uncertainty, joint: Joint)] = []
    joints = calibration.joints.enumerated().map { index, joint in
      let number = "joint \(index + 1) of \(calibration.joints.count), \(joint.name)"
      var entry = Joint(
        name: joint.name, inertiaShare: joint.uncertainty.inertiaShare,
        dampingShare: joint.uncertainty.dampingShare, margins: [], remedies: [])
      if let coupling = calibration.couplings.first(where: { $0.joints.contains(index) }) {
        let model: CoupledModel
        do throws(DesignRefusal) {
          (model, _) = try HandDesign.coupledModel(
            coupling, board: board, calibration: calibration, plan: plan)
        } catch {
          entry.refusal = error.description
          return entry
        }
        if let same = fingers.first(where: { $0.model == model })?.joint {
          entry.nominal = same.nominal
          entry.refusal = same.refusal
        } else {
          progress("\(number): certificate N of finger \(coupling.finger)")
          do throws(CertificateRefusal) {
            entry.nominal = Nominal(try certify(model).table)
          } catch {
            entry.refusal = DesignRefusal(joint: coupling.finger, cause: .coupled(error)).description
          }
          fingers.append((model, entry))
        }
        entry.finger = coupling.finger
        entry.holdTicks = 1
        entry.delayTicks = coupling.joints.firstIndex(of: index).map { model.joints[$0].delayTicks }
        return entry
      }
      let timing: OutputTiming
      do throws(DesignRefusal.Cause) {
        timing = try OutputTiming(of: index, joint, board: board, plan: plan)
      } catch {
        entry.refusal = DesignRefusal(joint: joint.name, cause: error).description
        return entry
      }
      let model = HandDesign.loopModel(joint, board: board, timing: timing)
      let uncertainty = HandDesign.uncertainty(index, joint, timing, board: board, plan: plan)
      let gains = HandDesign.observerGains(joint, model, timing).everyTick
      let observer = HandDesign.loopObserver(gains, timing)
      if var same = known.first(where: {
        $0.model == model && $0.observer == observer && $0.uncertainty == uncertainty
      })?.joint {
        same.name = joint.name
        return same
      }
      entry.holdTicks = timing.holdTicks
      entry.delayTicks = model.delayTicks
      entry.delayPeriods = [uncertainty.delayPeriods.lowerBound, uncertainty.delayPeriods.upperBound]
      entry.agePeriods = [uncertainty.agePeriods.lowerBound, uncertainty.agePeriods.upperBound]
      entry.uncertainStates = model.stateCount + observer.stateCount
      progress("\(number): certificate N")
      do throws(CertificateRefusal) {
        let certificate = try certify(model)
        entry.nominal = Nominal(certificate)
        progress("\(number): margins")
        entry.margins = CertificateMargin.all(index, model: model, board: board, calibration: joint) {
          progress("\(number): margins")
        }
        entry.limit = Self.limit(entry.margins)
      } catch {
        entry.refusal = DesignRefusal(joint: joint.name, cause: .certificate(error)).description
        progress("\(number): remedies")
        entry.remedies = CertificateRemedy.find(index, model: model, board: board, calibration: joint)
      }
      if entry.nominal != nil {
        progress("\(number): certificate U")
        do throws(UncertaintyRefusal) {
          guard timing.holdTicks == 1 else { throw .severalSamples }
          entry.uncertain = Uncertain(try certify(model, observer, under: uncertainty))
        } catch {
          entry.uncertainRefusal = Self.text(error)
        }
      }
      known.append((model, observer, uncertainty, entry))
      return entry
    }
  }

  private static func limit(_ margins: [CertificateMargin]) -> String? {
    let movable = margins.map { margin in
      var margin = margin
      // Upwards a PWM chip's frames limit the rate, not the certificate.
      if margin.parameter == "rate_hz" { margin.highest = nil }
      return margin
    }
    let closest = movable.filter { $0.factor != nil && $0.value > 0 && !$0.parameter.hasPrefix("delay") }
      .min { ($0.factor ?? .infinity) < ($1.factor ?? .infinity) }
    guard let closest, let factor = closest.factor else { return nil }
    let highest = closest.highest.map { $0 / closest.value == factor } ?? false
    let bound = highest ? closest.highest : closest.lowest
    return "\(closest.parameter): certified \(highest ? "up" : "down") to \(digits(bound ?? .nan, 4)), now "
      + digits(closest.value, 4)
  }

  static func text(_ refusal: UncertaintyRefusal) -> String {
    switch refusal {
    case .invalidModel(let field): "\(field) of its model is not finite or out of range"
    case .severalSamples:
      "its law decides once in several ticks, each with a sample of its own, which U does not model"
    case .invalidUncertainty:
      "a share of its uncertainty is out of range, or its output may act beyond its delay"
    case .invalidObserver: "its observer's gains are not finite, or its latency is beyond its delay"
    case .unstableCorner(let radius, let inverse, let damping, let dt, let delay, let age):
      "unstable (spectral radius \(digits(radius, 6))) at inertia \(digits(1 / inverse, 4)), damping "
        + "\(digits(damping, 4)), dt \(digits(dt * 1000, 4)) ms, delay \(digits(delay, 3)) ticks, "
        + "sample age \(digits(age, 3)) ticks: measure the joint "
        + "closer and lower its shares, lower km, or raise kd or rate_hz"
    case .searchFailed(let contraction):
      "each corner is stable, but no common norm was found (best L \(digits(contraction, 9))): measure the joint "
        + "closer and lower its shares, or lower km"
    case .verificationFailed(let dt, let slope, let margin):
      "the verification refused it by \(margin) at dt \(dt) s and slope \(slope)"
    }
  }

  /// Significant digits, without an exponent between 0.0001 and 1,000,000.
  static func digits(_ value: Double, _ count: Int) -> String { String(format: "%.\(count)g", value) }

  /// The table for people.
  package var text: String {
    func pad(_ text: String, _ width: Int) -> String {
      text.padding(toLength: max(width, text.count), withPad: " ", startingAt: 0)
    }
    var lines = [
      "board \(board), hand \(hand), \(rateHertz) Hz. N: the model, any saturation; U: the stated uncertainty, one norm",
      "",
      "joint                  L of N       rate 1/s  saturated    dt ms          L of U       rate 1/s  slopes from",
    ]
    for joint in joints {
      guard let nominal = joint.nominal else {
        lines.append("\(pad(joint.name, 22)) no certificate")
        continue
      }
      let dt = String(
        format: "%.3f–%.3f", nominal.minimumDtSeconds * 1000, nominal.maximumDtSeconds * 1000)
      let uncertain =
        joint.uncertain.map {
          String(format: "%.9f  %8.5f  %.3f", $0.lipschitz, $0.ratePerSecond, $0.smallestSlope)
        } ?? "none"
      lines.append(
        pad(joint.name, 22)
          + String(
            format: " %.9f  %8.5f  %.9f  ", nominal.lipschitz, nominal.ratePerSecond,
            nominal.lipschitzSaturated)
          + pad(dt, 14) + " " + uncertain)
    }
    // Equal joints share one block.
    var blocks: [(names: [String], lines: [String])] = []
    for joint in joints {
      let block = details(joint)
      if let same = blocks.firstIndex(where: { $0.lines == block }) {
        blocks[same].names.append(joint.name)
      } else {
        blocks.append(([joint.name], block))
      }
    }
    for block in blocks { lines += ["", block.names.joined(separator: ", ") + ":"] + block.lines }
    lines += [
      "",
      isCertified ? "every joint has its certificate N" : "refused: a joint without N must not be armed",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  private func details(_ joint: Joint) -> [String] {
    var lines: [String] = []
    if joint.nominal == nil, let refusal = joint.refusal {
      lines.append("  " + (refusal.split(separator: ": ", maxSplits: 1).last.map(String.init) ?? refusal))
      if joint.remedies.isEmpty {
        if joint.delayTicks != nil && joint.finger == nil { lines.append("  no single gain or rate helps") }
      } else {
        lines.append("  any one of these gives a certificate:")
        lines += joint.remedies.map { "    \($0)" }
      }
      return lines
    }
    if let finger = joint.finger {
      return [
        "  one block, finger \(finger): N is of all its joints together; U and margins are of single joints only"
      ]
    }
    if let hold = joint.holdTicks, hold > 1 {
      lines.append(
        "  the law decides every \(hold) ticks, once a frame: L, dt and delays below are those of a decision")
    }
    if let refusal = joint.uncertainRefusal { lines.append("  no U: \(refusal)") }
    if let delays = joint.delayPeriods, let ages = joint.agePeriods {
      lines.append(
        String(
          format:
            "  U covers inertia ±%.0f %%, damping ±%.0f %%, dt ±%.0f %%, delay %.2f to %.2f ticks, sample age %.2f to %.2f",
          joint.inertiaShare * 100, joint.dampingShare * 100, HandDesign.uncertainDtShare * 100, delays[0],
          delays[1], ages[0], ages[1]))
    }
    lines.append("  N holds, one number moved at a time:")
    for margin in joint.margins {
      let now = Self.digits(margin.value, 4)
      let parts =
        margin.parameter.hasPrefix("delay")
        ? [
          "up to \(Self.digits(margin.highest ?? margin.value, 2)) (certificates end at \(maximumDelayTicks))"
        ]
        : [
          margin.lowest.map { "from \(Self.digits($0, 4))" } ?? "from a tenth",
          margin.highest.map { "to \(Self.digits($0, 4))" } ?? "to ten times",
        ]
      let name = margin.parameter.padding(toLength: 32, withPad: " ", startingAt: 0)
      lines.append(
        margin.value == 0 && !margin.parameter.hasPrefix("delay")
          ? "    \(name) is 0" : "    \(name) \(parts.joined(separator: " ")), now \(now)")
    }
    lines.append("  limited by " + (joint.limit ?? "nothing within a factor of ten"))
    return lines
  }
}
