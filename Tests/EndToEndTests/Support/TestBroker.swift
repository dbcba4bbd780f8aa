import Foundation
import Testing

/// A Mosquitto of one test on a free loopback port, and the command-line clients that speak to it.
final class TestBroker {
  let port: UInt16
  private let bench: TestBench
  private let configurationPath: String
  private var server: RunningProgram?

  static let isInstalled = ["mosquitto", "mosquitto_pub", "mosquitto_sub"].allSatisfy {
    Repository.installed($0) != nil
  }

  /// Finds a port; starts the broker on it unless told otherwise.
  /// - Parameters:
  ///   - access: an access list for everybody; nil = everything is allowed.
  ///   - passwords: a file of users, without whom nobody is let in; nil = everybody is.
  ///   - name: where a test has two.
  init(
    _ bench: TestBench, starts: Bool = true, access: String? = nil, passwords: String? = nil,
    name: String = "broker"
  ) throws {
    self.bench = bench
    configurationPath = bench.path("\(name).conf")
    port = try Self.freePort()
    var configuration = "listener \(port) 127.0.0.1\nuser root\n"
    configuration += passwords.map { "password_file \($0)\n" } ?? "allow_anonymous true\n"
    if let access {
      let list = bench.path("access")
      try access.write(toFile: list, atomically: true, encoding: .utf8)
      configuration += "acl_file \(list)\n"
    }
    try configuration.write(toFile: configurationPath, atomically: true, encoding: .utf8)
    if starts { try start() }
  }

  var url: String { "mqtt://127.0.0.1:\(port)" }

  func start() throws {
    let program = try #require(Repository.installed("mosquitto"))
    let server = try bench.start(program, ["-c", configurationPath])
    self.server = server
    try #require(waitUntil { !server.isRunning || Self.accepts(port) })
    try #require(server.isRunning, "\(server.errors)")
  }

  func kill() {
    server?.kill()
    server = nil
  }

  /// Lets it keep its connections and answer nothing.
  func freeze() { server?.send(SIGSTOP) }

  /// Subscribes; each message becomes a line "topic payload" of the program's output.
  func subscribe(_ filter: String, format: String? = nil) throws -> RunningProgram {
    try bench.start(
      try #require(Repository.installed("mosquitto_sub")),
      connection + (format.map { ["-F", $0] } ?? ["-v"]) + ["-t", filter])
  }

  /// A client that publishes each line of its input on `topic`.
  func publisher(_ topic: String, qos: Int = 0) throws -> RunningProgram {
    try bench.start(
      try #require(Repository.installed("mosquitto_pub")), connection + ["-l", "-q", "\(qos)", "-t", topic],
      takesInput: true)
  }

  func publish(_ topic: String, _ payload: String) throws {
    let outcome = try bench.run(
      try #require(Repository.installed("mosquitto_pub")), connection + ["-t", topic, "-m", payload])
    try #require(outcome.status == 0, "\(outcome.errors)")
  }

  /// Publishes the bytes of a file with QoS 1.
  func publish(_ topic: String, file: String) throws {
    let outcome = try bench.run(
      try #require(Repository.installed("mosquitto_pub")),
      connection + ["-V", "5", "-q", "1", "-t", topic, "-f", file])
    try #require(outcome.status == 0, "\(outcome.errors)")
  }

  /// The retained message of a topic; nil when none comes within two seconds.
  func retained(_ topic: String) throws -> String? {
    // Its own time-out is a signal that a test's threads block and their children inherit.
    let reader = try bench.start(
      try #require(Repository.installed("mosquitto_sub")),
      connection + ["-t", topic, "-C", "1", "--retained-only"])
    let status = reader.waitForExit(seconds: 2)
    reader.kill()
    return status == 0 && !reader.output.isEmpty ? reader.output : nil
  }

  /// The word of a hand's retained status.
  func status(of hand: String) throws -> String? {
    struct Payload: Decodable { var status: String }
    return try retained("motorhand/hand/\(hand)/status").map {
      try JSONDecoder().decode(Payload.self, from: Data($0.utf8)).status
    }
  }

  private var connection: [String] { ["-h", "127.0.0.1", "-p", "\(port)"] }

  /// A port that the system had free a moment ago.
  private static func freePort() throws -> UInt16 {
    let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(probe) }
    var address = loopback(port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(probe, $0, length) == 0 ? getsockname(probe, $0, &length) : -1
      }
    }
    try #require(result == 0)
    return UInt16(bigEndian: address.sin_port)
  }

  private static func accepts(_ port: UInt16) -> Bool {
    let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(probe) }
    var address = loopback(port: port)
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(probe, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }

  static func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return address
  }
}
