import Glibc
import Realtime
import Wire

/// Counters of the gateway as Prometheus reads them: text format 0.0.4.
package final class Metrics: Sendable {
  /// Upper ends of the histogram's buckets in seconds.
  private static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

  private struct Key: Hashable {
    var method: String
    var endpoint: String
    var status: Int
  }

  private struct Histogram {
    var buckets = [UInt64](repeating: 0, count: Metrics.bounds.count)
    var count: UInt64 = 0
    var sum = 0.0
  }

  private struct State {
    var requests: [Key: UInt64] = [:]
    var durations: [String: Histogram] = [:]
    var points: UInt64 = 0
  }

  private let state = Locked(State())

  /// Counts a request.
  /// - Parameter endpoint: the path with its parameters' names, never their values.
  func countRequest(method: String, endpoint: String, status: Int, seconds: Double) {
    state.withLock { state in
      state.requests[Key(method: method, endpoint: endpoint, status: status), default: 0] += 1
      var histogram = state.durations[endpoint] ?? Histogram()
      for (index, bound) in Self.bounds.enumerated() where seconds <= bound { histogram.buckets[index] += 1 }
      histogram.count += 1
      histogram.sum += seconds
      state.durations[endpoint] = histogram
    }
  }

  /// Counts a point of telemetry that came by REST.
  func countPoint() { state.withLock { $0.points += 1 } }

  /// All of it.
  func text(_ services: GatewayServices) -> String {
    let state = state.withLock { $0 }
    var text = MetricsText()
    text.begin("http_requests_total", "counter", "Requests by method, endpoint and status.")
    for (key, count) in state.requests.sorted(by: {
      ($0.key.endpoint, $0.key.status) < ($1.key.endpoint, $1.key.status)
    }) {
      text.add(
        "http_requests_total",
        [("method", key.method), ("endpoint", key.endpoint), ("status", "\(key.status)")],
        Double(count))
    }
    text.begin("http_request_duration_seconds", "histogram", "Time from request to answer.")
    for (endpoint, histogram) in state.durations.sorted(by: { $0.key < $1.key }) {
      let name = "http_request_duration_seconds"
      for (bound, count) in zip(Self.bounds, histogram.buckets) {
        text.add(name + "_bucket", [("endpoint", endpoint), ("le", "\(bound)")], Double(count))
      }
      text.add(name + "_bucket", [("endpoint", endpoint), ("le", "+Inf")], Double(histogram.count))
      text.add(name + "_sum", [("endpoint", endpoint)], histogram.sum)
      text.add(name + "_count", [("endpoint", endpoint)], Double(histogram.count))
    }
    addHands(services, to: &text)
    addWays(services, points: state.points, to: &text)
    addProcess(to: &text)
    return text.text
  }

  private func addHands(_ services: GatewayServices, to text: inout MetricsText) {
    let hands = services.live.all.sorted { $0.key < $1.key }
    let now = MonotonicClock().now()
    text.begin("motorhand_lipschitz_constant", "gauge", "L of a hand's worst joint, of its last sample.")
    for (name, hand) in hands {
      if let value = hand.lipschitz { text.add("motorhand_lipschitz_constant", [("hand", name)], value) }
    }
    text.begin(
      "motorhand_lipschitz_violations_total", "counter",
      "Samples with L above 1 or a window product of 1 or more.")
    for (name, hand) in hands {
      text.add("motorhand_lipschitz_violations_total", [("hand", name)], Double(hand.violations))
    }
    text.begin("motorhand_samples_total", "counter", "Live samples of a hand.")
    for (name, hand) in hands { text.add("motorhand_samples_total", [("hand", name)], Double(hand.samples)) }
    text.begin("motorhand_sample_age_seconds", "gauge", "Since a hand's last live sample.")
    for (name, hand) in hands {
      guard let at = hand.stateAt else { continue }
      text.add("motorhand_sample_age_seconds", [("hand", name)], Double(now - at) / 1e9)
    }
  }

  private func addWays(_ services: GatewayServices, points: UInt64, to text: inout MetricsText) {
    let received = services.received.withLock { $0 }
    let link = services.link.status
    let rows = services.rows.status
    let problems = services.live.problems
    let values: [(String, String, String, Double)] = [
      ("motorhand_telemetry_points_total", "counter", "Points that came by REST.", Double(points)),
      ("motorhand_blocks_stored_total", "counter", "Blocks stored.", Double(received.blocks)),
      ("motorhand_ticks_stored_total", "counter", "Ticks stored.", Double(received.ticks)),
      ("motorhand_events_stored_total", "counter", "Events stored.", Double(received.events)),
      (
        "motorhand_duplicates_total", "counter", "Messages of what was stored already.",
        Double(received.duplicates)
      ),
      ("motorhand_damaged_total", "counter", "Messages that could not be read.", Double(received.damaged)),
      (
        "motorhand_conflicts_total", "counter", "Blocks under a key that another has.",
        Double(received.conflicts)
      ),
      (
        "motorhand_refused_total", "counter", "Messages that the store cannot hold.", Double(received.refused)
      ),
      ("motorhand_rows_stored_total", "counter", "Rows of live samples stored.", Double(rows.stored)),
      ("motorhand_rows_dropped_total", "counter", "Rows for which there was no room.", Double(rows.dropped)),
      (
        "motorhand_rows_damaged_total", "counter", "Live samples that could not be read.",
        Double(rows.damaged)
      ),
      (
        "motorhand_live_refused_total", "counter", "Messages of hands beyond the limit.",
        Double(problems.refused)
      ),
      (
        "motorhand_live_damaged_total", "counter", "Live messages that could not be read.",
        Double(problems.damaged)
      ),
      ("motorhand_ingest_connected", "gauge", "1: the broker sends blocks.", received.connected ? 1 : 0),
      ("motorhand_mqtt_connected", "gauge", "1: the broker sends what is live.", link.isConnected ? 1 : 0),
      ("motorhand_mqtt_received_total", "counter", "Live messages that came.", Double(link.received)),
      ("motorhand_mqtt_published_total", "counter", "Messages that the broker took.", Double(link.published)),
      ("motorhand_websocket_clients", "gauge", "Clients of WebSockets.", Double(services.listeners.count)),
    ]
    for (name, kind, meaning, value) in values {
      text.begin(name, kind, meaning)
      text.add(name, [], value)
    }
  }

  private func addProcess(to text: inout MetricsText) {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    text.begin("process_cpu_seconds_total", "counter", "Processor time of the process.")
    text.add("process_cpu_seconds_total", [], seconds(usage.ru_utime) + seconds(usage.ru_stime))
    guard let pages = SystemFile.read("/proc/self/statm")?.split(separator: " "), pages.count > 1,
      let resident = Double(pages[1])
    else { return }
    text.begin("process_resident_memory_bytes", "gauge", "Memory that the process holds.")
    text.add("process_resident_memory_bytes", [], resident * Double(sysconf(Int32(_SC_PAGESIZE))))
  }
}

/// Writes Prometheus's text.
struct MetricsText {
  private(set) var text = ""

  /// Begins a metric: its samples follow.
  mutating func begin(_ name: String, _ kind: String, _ meaning: String) {
    text += "# HELP \(name) \(Self.escaped(meaning, quotes: false))\n# TYPE \(name) \(kind)\n"
  }

  /// Adds a sample.
  mutating func add(_ name: String, _ labels: [(String, String)], _ value: Double) {
    let list = labels.map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }.joined(separator: ",")
    let number = value == value.rounded() && value.magnitude < 9e15 ? "\(Int64(value))" : "\(value)"
    text += "\(name)\(list.isEmpty ? "" : "{\(list)}") \(number)\n"
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    let escaped = text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
    return quotes ? escaped.replacing("\"", with: "\\\"") : escaped
  }
}
