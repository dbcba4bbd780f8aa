import Foundation
import Testing

@testable import ControlSocket
@testable import Runtime

/// Who may serve on a socket's path, where others may write, delete and leave things.
@Suite("The lock of the control socket", .serialized)
struct SocketLockTests {
  private let directory: String

  init() throws {
    var pattern = Array("/tmp/mh-lock-XXXXXX".utf8CString)
    directory = try #require(mkdtemp(&pattern).map { String(cString: $0) })
  }

  private var path: String { directory + "/s" }

  private func server() throws(SocketError) -> ControlServer {
    let port = CommandPort()
    return try ControlServer(path: path, sink: CommandQueue(port: port).sink(SocketBench.parser))
  }

  private func expectRefusal(_ isExpected: (SocketError) -> Bool) {
    do throws(SocketError) {
      try server().stop()
      Issue.record("a server was made")
    } catch {
      #expect(isExpected(error), "\(error)")
    }
  }

  private func isAlreadyRunning(_ error: SocketError) -> Bool {
    if case .alreadyRunning = error { true } else { false }
  }

  @Test("a link in the lock's place is not followed: nothing is created where it leads")
  func link() throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let target = directory + "/target"
    try #require(symlink(target, path + ".lock") == 0)
    expectRefusal { if case .system(_, _, .tooManySymbolicLinkLevels) = $0 { true } else { false } }
    #expect(!FileManager.default.fileExists(atPath: target))
  }

  @Test("a pipe or directory in the lock's place is refused at once")
  func noFile() throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try #require(mkfifo(path + ".lock", 0o600) == 0)
    expectRefusal { if case .occupied = $0 { true } else { false } }
    unlink(path + ".lock")
    try #require(mkdir(path + ".lock", 0o700) == 0)
    expectRefusal { if case .system(_, _, .isDirectory) = $0 { true } else { false } }
  }

  @Test("a daemon whose lock file was deleted is still noticed by the next one, and notices it itself")
  func deletedLock() throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let first = try server()
    #expect(first.loss == nil)
    unlink(path + ".lock")
    expectRefusal(isAlreadyRunning)
    #expect(first.loss?.contains("s.lock was deleted or replaced") == true)
    first.stop()
    try server().stop()
  }

  @Test("a daemon never removes another's socket, and notices that its own is gone")
  func foreignSocket() throws {
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let first = try server()
    // A cleaner took both files.
    unlink(path)
    unlink(path + ".lock")
    #expect(first.loss?.contains("no client reaches it") == true)
    let second = try server()
    try second.start { #"{"state":"second"}"# }
    first.stop()
    #expect(try ControlClient(path: path).request(ControlServer.statusLine).contains("second"))
    second.stop()
    #expect(!FileManager.default.fileExists(atPath: path))
  }
}
