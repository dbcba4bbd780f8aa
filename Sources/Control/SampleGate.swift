import HandModel

/// What one joint's encoder sample is worth.
enum SampleVerdict: UInt8, BitwiseCopyable {
  /// The sample is the one that is known already.
  case known
  /// The first sample of all.
  case first
  /// Read before the last accepted one: it says nothing, and its age tells of staleness.
  case outdated
  /// Accepted.
  case fresh
  /// Further from the last good sample than the joint can have moved.
  case rejected
  /// Rejected once too often in a row, and so accepted: a hand that is not driven may be moved by hand faster
  /// than it could move itself.
  case implausible
}

/// Decides which samples of one joint's encoder are believed.
struct SampleGate: BitwiseCopyable {
  /// Number of the last sample that was looked at.
  private var lastNumber: UInt32 = 0
  /// When the last accepted sample was read, ns.
  private var lastTime: Int64 = 0
  /// The angle of the last accepted sample, rad.
  private(set) var lastRadians = 0.0
  /// The encoder's word in the last sample, accepted or not.
  private(set) var lastCounts: UInt16 = 0
  /// Whether there was a sample at all.
  private(set) var hasPosition = false
  /// Samples rejected in a row.
  private var rejectedSamples = 0

  /// Looks at the newest sample.
  /// - Parameters:
  ///   - time: when it was read, ns.
  ///   - radians: its angle.
  ///   - largestSpeed: how fast the joint may have moved, rad/s.
  ///   - allowance: believable change beyond that, rad.
  ///   - rejections: rejected samples in a row that make the sensor implausible.
  ///   - measured: becomes the sample's angle, or the last accepted one where the sample is known or
  ///     outdated.
  @_noLocks
  mutating func take(
    _ sample: EncoderSample, time: Int64, radians: Double, largestSpeed: Double, allowance: Double,
    rejections: Int, measured: inout Double
  ) -> SampleVerdict {
    measured = lastRadians
    guard sample.isValid && sample.number != lastNumber else { return .known }
    lastNumber = sample.number
    lastCounts = sample.counts
    guard hasPosition else {
      hasPosition = true
      measured = radians
      accept(radians, time)
      return .first
    }
    let gap = Double(time &- lastTime) * 1e-9
    guard gap > 0 else { return .outdated }
    measured = radians
    if (radians - lastRadians).magnitude <= largestSpeed * gap + allowance {
      accept(radians, time)
      return .fresh
    }
    rejectedSamples += 1
    guard rejectedSamples >= rejections else { return .rejected }
    accept(radians, time)
    return .implausible
  }

  @_noLocks
  private mutating func accept(_ radians: Double, _ time: Int64) {
    lastRadians = radians
    lastTime = time
    rejectedSamples = 0
  }

  /// Samples are numbered anew.
  mutating func forgetNumber() { lastNumber = 0 }
}
