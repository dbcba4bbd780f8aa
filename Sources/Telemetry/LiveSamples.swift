import HandModel
import Realtime
import Wire

/// What is live: state, AGP and sensors of the newest tick that is due. A display wants the newest sample,
/// the recording has all: one that cannot leave at once is dropped and counted.
struct LiveSamples {
  /// Live messages handed to the library and not yet in the socket; beyond it samples are dropped. Some
  /// ten samples: a socket that far behind is showing the past.
  static let unwrittenLimit = 256
  private static let clockCheckNanoseconds: Int64 = 1_000_000_000

  private let topics: Topics
  private let sensors: [(topic: String, metric: SensorMetrics.Metric)]
  private let agp: AGPPayload
  /// Every so many ticks a sample is due, and every so many of them one with sensors.
  private let decimation: UInt64
  private let sensorDecimation: UInt64
  private var statePayload: StatePayload
  /// The newest record whose sequence is due.
  private var sample: TickRecord?
  private var clockSynced = MonotonicClock.isWallSynchronised
  private var clockCheckedAt = MonotonicClock().now()

  /// Samples that never left: see `PublisherStatus.Drops`.
  private(set) var overtaken: UInt64 = 0
  private(set) var notConnected: UInt64 = 0
  private(set) var inFlight: UInt64 = 0

  init(_ options: PublisherOptions, identity: HandIdentity, topics: Topics) {
    self.topics = topics
    sensors = SensorMetrics(board: identity.board).all.map { (topics.sensor(metric: $0.name), $0) }
    agp = AGPPayload(identity: identity)
    statePayload = StatePayload(identity: identity)
    let rate = Double(identity.board.control.rateHertz)
    decimation = UInt64(max(1, (rate / options.stateHertz).rounded()))
    // A multiple of the state's, because sensors ride on state samples.
    let ratio = max(1, (rate / options.sensorHertz / Double(decimation)).rounded())
    sensorDecimation = decimation * UInt64(ratio)
  }

  /// Takes note of the next tick.
  mutating func note(_ record: borrowing TickRecord) {
    guard record.sequence % decimation == 0 else { return }
    if sample != nil { overtaken += 1 }
    sample = copy record
  }

  /// Nobody is connected: what is due is lost.
  mutating func drop() {
    guard sample != nil else { return }
    sample = nil
    notConnected += 1
  }

  /// Sends what is due, if anything is.
  mutating func publish(on connection: BrokerConnection, _ now: Int64) throws(BrokerError) {
    if now - clockCheckedAt > Self.clockCheckNanoseconds {
      clockSynced = MonotonicClock.isWallSynchronised
      clockCheckedAt = now
    }
    guard let record = sample else { return }
    sample = nil
    // State, AGP number and detail, and all sensors.
    guard connection.unfinished + 3 + sensors.count <= Self.unwrittenLimit else {
      inFlight += 1
      return
    }
    let state = statePayload.encode(record, clockSynced: clockSynced)
    _ = try connection.publish(topic: topics.state, payload: state, qos: 0, retain: false)
    if let text = AGPPayload.lipschitzText(record.lipschitz) {
      _ = try connection.publish(topic: topics.agpState, payload: text, qos: 0, retain: false)
    }
    _ = try connection.publish(
      topic: topics.agpDetail, payload: agp.detail(of: record), qos: 0, retain: false)
    guard record.sequence % sensorDecimation == 0 else { return }
    for sensor in sensors {
      guard let text = SensorMetrics.text(sensor.metric.quantity, of: record.joints[sensor.metric.joint])
      else { continue }
      _ = try connection.publish(topic: sensor.topic, payload: text, qos: 0, retain: false)
    }
  }
}
