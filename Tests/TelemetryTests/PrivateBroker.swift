import Foundation
import Testing

/// A real mosquitto on a free loopback port, with its own configuration. It cannot outlive the test: a
/// shell holds a pipe to this process and kills the broker when the pipe closes, however that happens.
final class PrivateBroker {
  enum Access {
    case anonymous
    /// Everybody, within an access list.
    case list(file: String)
    case password(file: String)
    case tls(authority: String, certificate: String, key: String)
    /// Everybody, within the rules of Mosquitto's security plugin.
    case rules(file: String)
    /// Everybody, within these lines of its configuration.
    case limited(by: String)
  }

  /// Beside the broker, where Debian's multi-arch directory has it.
  static let securityPlugin =
    ["x86_64", "aarch64"].map { "/usr/lib/\($0)-linux-gnu/mosquitto_dynamic_security.so" }
    .first { FileManager.default.fileExists(atPath: $0) } ?? ""

  let port: UInt16
  private let configuration: String
  private let directory: TemporaryDirectory
  private var shell: Process?
  private var lifeline: Pipe?
  private(set) var processID: pid_t = 0

  init(_ access: Access = .anonymous, in directory: TemporaryDirectory) throws {
    port = try Self.freePort()
    self.directory = directory
    var lines = ["listener \(port) 127.0.0.1", "persistence false", "log_dest none", "user root"]
    switch access {
    case .anonymous: lines.append("allow_anonymous true")
    case .list(let file): lines += ["allow_anonymous true", "acl_file \(file)"]
    case .password(let file): lines += ["allow_anonymous false", "password_file \(file)"]
    case .rules(let file):
      lines += ["allow_anonymous true", "plugin \(Self.securityPlugin)", "plugin_opt_config_file \(file)"]
    case .limited(let line): lines += ["allow_anonymous true", line]
    case .tls(let authority, let certificate, let key):
      lines += ["allow_anonymous true", "cafile \(authority)", "certfile \(certificate)", "keyfile \(key)"]
    }
    configuration = try directory.write(lines.joined(separator: "\n") + "\n", to: "mosquitto-\(port).conf")
    try start()
  }

  deinit { kill() }

  func start() throws {
    let process = Process()
    let input = Pipe()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [
      "-c", "mosquitto -c \"$0\" >/dev/null 2>&1 & echo $!; read line; kill -9 $!; wait", configuration,
    ]
    process.environment = ["PATH": "/usr/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin"]
    process.standardInput = input
    process.standardOutput = output
    // The pool's threads block signals, and a child inherits that: the broker would hear neither of these.
    var termination = sigset_t()
    var before = sigset_t()
    sigemptyset(&termination)
    sigaddset(&termination, SIGTERM)
    sigaddset(&termination, SIGHUP)
    pthread_sigmask(SIG_UNBLOCK, &termination, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try process.run()
    shell = process
    lifeline = input
    let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    processID = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    let port = self.port
    try #require(eventually { Self.accepts(port) }, "mosquitto does not listen on port \(port)")
  }

  /// A clean shutdown, as an administrator would do it.
  func stop() {
    Foundation.kill(processID, SIGTERM)
    let port = self.port
    _ = eventually { !Self.accepts(port) }
    kill()
  }

  func kill() {
    guard let shell else { return }
    // The pipe is for a test that dies. Here both are ended directly: another process spawned meanwhile may
    // hold the pipe open, and `waitUntilExit` needs a run loop that this thread does not run.
    Foundation.kill(processID, SIGKILL)
    let shellID = shell.processIdentifier
    Foundation.kill(shellID, SIGKILL)
    _ = eventually { Self.isDead(shellID) }
    try? lifeline?.fileHandleForWriting.close()
    lifeline = nil
    self.shell = nil
  }

  /// Reads its access list again.
  func reload() { Foundation.kill(processID, SIGHUP) }

  /// The broker keeps its sockets and answers nothing.
  func suspend() { Foundation.kill(processID, SIGSTOP) }
  func resume() { Foundation.kill(processID, SIGCONT) }

  /// Gone, or a zombie that the shell has not waited for yet.
  private static func isDead(_ id: pid_t) -> Bool {
    guard let text = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8) else { return true }
    return text.contains(") Z ")
  }

  static func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = loopback(port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
      }
    }
    try #require(bound)
    return UInt16(bigEndian: address.sin_port)
  }

  static func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return address
  }

  static func connectLoopback(port: UInt16) -> Int32? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port: port)
    let code = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if code == 0 { return descriptor }
    close(descriptor)
    return nil
  }

  private static func accepts(_ port: UInt16) -> Bool {
    guard let descriptor = connectLoopback(port: port) else { return false }
    close(descriptor)
    return true
  }
}
