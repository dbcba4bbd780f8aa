import HandModel
import Logging
import Realtime
import ServiceLifecycle
import Telemetry
import Wire

/// Live samples as rows of the source system's tables: `motorhand/agp/{id}/detail` in `telemetry.agp_state`,
/// `motorhand/sensors/{id}/{metric}` in `telemetry.sensors`. They are there to be looked at; what must not be
/// lost are the blocks, which hold every tick.
package final class SampleRows: Sendable, Service {
  /// What came and what became of it.
  package struct Status: Sendable, Equatable {
    /// Rows stored.
    package var stored: UInt64 = 0
    /// Rows that found no room while the store did not answer.
    package var dropped: UInt64 = 0
    /// Messages that could not be read.
    package var damaged: UInt64 = 0
  }

  /// Filters of what is taken.
  package static let topics = ["motorhand/agp/+/detail", "motorhand/sensors/+/+"]
  /// Half a minute of a hundred hands.
  private static let mostWaiting = 100_000
  private static let secondsPerWrite: Int64 = 1
  /// Of `sensor_id`.
  private static let longestSensorID = 130

  private static let stateColumns = [
    "time", "system_id", "primal_state", "integral_state", "lipschitz_constant", "lambda_decay",
    "control_mode",
  ]
  private static let sensorColumns = ["time", "sensor_id", "sensor_type", "value", "unit"]

  private struct State {
    var status = Status()
    var states: [[SQLValue]] = []
    var sensors: [[SQLValue]] = []
  }

  private let state = Locked(State())
  private let store: any Store
  private let log: Logger

  package init(store: any Store, log: Logger) {
    self.store = store
    self.log = log
  }

  /// A copy, safe to keep.
  package var status: Status { state.withLock { $0.status } }

  /// Takes a message, on the broker's thread.
  package func take(_ message: MessageLink.Message) {
    guard let (handID, topic) = HandTopic.read(message.topic) else { return }
    switch topic {
    case .agpDetail:
      let row = try? Self.row(DetailMessage(decoding: message.payload), handID)
      put(row) { $0.states.append($1) }
    case .sensor(let metric): put(Self.row(metric, message.payload, handID)) { $0.sensors.append($1) }
    default: break
    }
  }

  private func put(_ row: [SQLValue]?, _ append: (inout State, [SQLValue]) -> Void) {
    state.withLock { state in
      guard let row else { return state.status.damaged += 1 }
      guard state.states.count + state.sensors.count < Self.mostWaiting else {
        return state.status.dropped += 1
      }
      append(&state, row)
    }
  }

  private static func row(_ detail: DetailMessage, _ handID: String) -> [SQLValue] {
    return [
      .time(Timestamp(microseconds: detail.wallNanoseconds / 1000)), .text(handID),
      SQLValue(finite: detail.psi),
      SQLValue(finite: detail.memoryRadianSeconds), SQLValue(finite: detail.lipschitz),
      SQLValue(finite: detail.lambdaPerSecond ?? .nan), .text(detail.mode.id),
    ]
  }

  private static func row(_ metric: String, _ payload: [UInt8], _ handID: String) -> [SQLValue]? {
    let id = "\(handID)/\(metric)"
    guard let value = Double(String(decoding: payload.prefix(64), as: UTF8.self)), value.isFinite,
      id.unicodeScalars.count <= longestSensorID, id == id.printable, !id.utf8.contains(0)
    else { return nil }
    let kind = metric.split(separator: "-").first.map(String.init) ?? metric
    let unit: String? = ["current": "A", "force": "N"][kind]
    return [.time(.now), .text(id), .text(String(kind.prefix(50))), .real(value), SQLValue(unit)]
  }

  /// Writes what came, once a second, until the gateway ends; then the rest.
  package func run() async throws {
    try? await cancelWhenGracefulShutdown {
      while true {
        try await Task.sleep(for: .seconds(Self.secondsPerWrite))
        await self.write()
      }
    }
    await write()
  }

  /// Writes what waits; puts it back where the store does not answer.
  func write() async {
    let (states, sensors) = state.withLock { state in
      defer { (state.states, state.sensors) = ([], []) }
      return (state.states, state.sensors)
    }
    guard !states.isEmpty || !sensors.isEmpty else { return }
    do throws(StoreError) {
      try await store.write { (session) throws(StoreError) in
        _ = try session.add(states, to: "telemetry.agp_state", Self.stateColumns)
        _ = try session.add(sensors, to: "telemetry.sensors", Self.sensorColumns)
      }
      state.withLock { $0.status.stored += UInt64(states.count + sensors.count) }
    } catch .unavailable {
      state.withLock { state in
        let room = max(0, Self.mostWaiting - state.states.count - state.sensors.count)
        let kept = (states.suffix(room), sensors.suffix(max(0, room - states.count)))
        state.status.dropped += UInt64(states.count + sensors.count - kept.0.count - kept.1.count)
        state.states = kept.0 + state.states
        state.sensors = kept.1 + state.sensors
      }
    } catch {
      // One of them is not as the store takes it, and which is not known.
      state.withLock { $0.status.damaged += UInt64(states.count + sensors.count) }
      log.error("\(states.count + sensors.count) samples are not stored: \(error)")
    }
  }
}

extension SQLValue {
  /// The number; null where it is none.
  init(finite number: Double) { self = number.isFinite ? .real(number) : .null }
}
