import ControlSocket
import Foundation
import Glibc
import Realtime

/// Arms and stops a hand again and again, one way, with a witness beside each stop.
final class StopBenchTrials {
  struct Result {
    /// From sending the stop, nanoseconds.
    var toOutputsOff: Int64
    var transport: Int64
  }

  /// Past this time a stop counts as lost.
  private static let lostNanoseconds: Int64 = 5_000_000_000
  /// Longest time to arm the hand again: a crowd may fill the lane of commands for a while.
  private static let armNanoseconds: Int64 = 30_000_000_000
  private static let pollNanoseconds: Int64 = 1_000_000

  private(set) var results: [Result] = []
  private(set) var lost = 0
  /// What was seen instead of outputs off, and how often.
  private(set) var lostReasons: [String: Int] = [:]

  private let site: StopBenchSite
  private let way: StopBench.Way
  private let topic: String
  private let period: Int64
  private let clock = MonotonicClock()
  /// When the witness last received a stop.
  private let witnessed = Locked<Int64>(0)
  private var random = SystemRandomNumberGenerator()
  private var publisher: MQTTClient?
  private var witness: MQTTClient?
  private var pair: [Int32] = [-1, -1]
  private var witnessThread: RealtimeThread?

  init(site: StopBenchSite, way: StopBench.Way, topic: String, periodNanoseconds: Int64)
    throws
  {
    self.site = site
    self.way = way
    self.topic = topic
    period = periodNanoseconds
    let witnessed = witnessed
    switch way {
    case .mqtt:
      publisher = try MQTTClient(port: site.port)
      witness = try MQTTClient(port: site.port, subscribe: [topic]) { _, _ in
        witnessed.withLock { $0 = MonotonicClock().now() }
      }
    case .socket:
      guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0 else {
        throw BenchError.incomplete("socketpair: \(Errno.latest)")
      }
      let end = pair[1]
      witnessThread = try RealtimeThread(name: "witness", policy: .normal) {
        var bytes = [UInt8](repeating: 0, count: 256)
        while recv(end, &bytes, bytes.count, 0) > 0 { witnessed.withLock { $0 = MonotonicClock().now() } }
      }
    }
  }

  deinit {
    if pair[0] >= 0 {
      shutdown(pair[0], Int32(SHUT_RDWR))
      witnessThread?.join()
      for end in pair { close(end) }
    }
  }

  /// - Parameter onStop: called after each stop with its number.
  func run(stops: Int, onStop: (Int) -> Void) throws {
    for number in 1...stops {
      guard !site.isCancelled() else { throw BenchError.cancelled }
      try arm()
      // Anywhere in the period of a tick.
      clock.sleep(until: clock.now() + Int64.random(in: 0..<2 * period, using: &random))
      if let result = stop() { results.append(result) } else { noteLoss() }
      onStop(number)
    }
  }

  private func noteLoss() {
    lost += 1
    let state = site.snapshot().map {
      "\($0.state)\($0.fault.map { ": " + $0 } ?? ""), stop way \($0.publisher?.stopWay.state ?? "none")"
    }
    let isWitnessed = witnessed.withLock { $0 } > 0
    lostReasons["\(state ?? "no answer"), \(isWitnessed ? "seen" : "not seen") by the witness", default: 0] +=
      1
  }

  private func arm() throws {
    let end = clock.now() + Self.armNanoseconds
    var answer = "no daemon"
    while clock.now() < end {
      do {
        let client = try ControlClient(path: site.socketPath)
        _ = try client.request(#"{"verb":"reset"}"#)
        answer = try client.request(#"{"verb":"arm"}"#)
        if answer.contains(#""executed""#) { return }
      } catch { answer = "\(error)" }
      clock.sleep(until: clock.now() + Self.pollNanoseconds)
    }
    throw BenchError.incomplete(
      "the hand could not be armed in \(Self.armNanoseconds / 1_000_000_000) s: \(answer)")
  }

  /// One stop; nil when the outputs were not seen off in time.
  private func stop() -> Result? {
    let line = Array("{\"verb\":\"stop\",\"id\":\"\(results.count + lost)\"}\n".utf8)
    witnessed.withLock { $0 = 0 }
    // The connection stays open meanwhile, whether or not the sender needs the answer.
    var sender: ControlClient?
    let sent = clock.now()
    switch way {
    case .mqtt: _ = publisher?.publish(topic, line, qos: 1)
    case .socket:
      _ = send(pair[0], line, line.count, Int32(MSG_NOSIGNAL))
      while sender == nil {
        sender = try? ControlClient(path: site.socketPath)
        if clock.now() - sent > Self.lostNanoseconds { return nil }
      }
      try? sender?.send(#"{"verb":"stop"}"#)
    }
    var off: Int64 = 0
    while off == 0 || witnessed.withLock({ $0 }) == 0 {
      if clock.now() - sent > Self.lostNanoseconds { break }
      clock.sleep(until: clock.now() + Self.pollNanoseconds)
      if off == 0, let snapshot = site.snapshot(), !snapshot.outputsEnabled,
        snapshot.outputsChangedNanoseconds >= sent
      {
        off = snapshot.outputsChangedNanoseconds
      }
    }
    let received = witnessed.withLock { $0 }
    guard off > 0, received > 0 else { return nil }
    return Result(toOutputsOff: off - sent, transport: received - sent)
  }
}
