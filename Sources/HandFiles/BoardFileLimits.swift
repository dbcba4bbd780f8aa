import HandModel

extension Board {
  /// Limits of a board file; docs/board-file.md lists them.
  enum FileLimits {
    /// Below 10 Hz no hand is controllable, above 10 kHz no bus delivers a sample a tick.
    static let rateHertz = 10...10_000
    /// The window product needs many ticks to mean anything and is kept in fixed memory.
    static let windowSeconds = NumberRange.from(0.1, to: 10)
    static let windowTicks = 100_000
    static let timeoutMilliseconds = NumberRange.positive(upTo: 10_000)
    /// Sample ages are recorded in 32 bits of nanoseconds.
    static let staleMilliseconds = NumberRange.positive(upTo: 1000)
    /// From slow software buses to fast-mode plus, the fastest any chip here allows.
    static let clockHertz = 10_000...1_000_000
    static let overheadMicroseconds = NumberRange.from(0, to: 10_000)
    static let buses = 1...32
    static let chips = 64
    /// ADS7830: 50 mV to the supply, of at most 5.25 V (datasheet SBAS302, electrical characteristics).
    static let referenceVolts = NumberRange.from(0.05, to: 5.25)
    static let shuntOhms = NumberRange.positive(upTo: 10)
    static let amperes = NumberRange.positive(upTo: 100)
    static let newtonsPerVolt = NumberRange.positive(upTo: 10_000)
    /// PCA9685.
    static let pwmHertz = range(PCA9685Facts.frequencyHertz)
    static let oscillatorHertz = range(PCA9685Facts.oscillatorHertz)
    /// 100 kHz is the fastest that a bridge here takes (TB6612).
    static let sysfsHertz = NumberRange.from(1, to: 100_000)
    /// Frames that servos take: 50 Hz is every servo's, 333 Hz the fastest digital ones' (docs/hardware.md).
    static let servoHertz = 50.0...333
    static let channels = 0...15

    private static func range(_ range: ClosedRange<Double>) -> NumberRange {
      .from(range.lowerBound, to: range.upperBound)
    }
  }
}
