import Foundation
import Testing

@testable import Realtime

/// Messages to a descriptor that may be anything. SIGPIPE is ignored, as in the daemon.
@Suite("Messages", .serialized)
struct MessageOutputTests {
  init() { signal(SIGPIPE, SIG_IGN) }

  private static func pipe() throws -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    try #require(Foundation.pipe(&ends) == 0)
    return (ends[0], ends[1])
  }

  @Test("a pipe that nobody reads takes what it has room for; the rest is counted, and nobody waits")
  func fullPipe() throws {
    let ends = try Self.pipe()
    defer {
      close(ends.reading)
      close(ends.writing)
    }
    let output = MessageOutput(ends.writing)
    let line = String(repeating: "x", count: 999) + "\n"
    // A pipe of 64 KiB: without the count this test would hang.
    for _ in 0..<100 { output.write(line) }
    #expect((1...99).contains(output.failures))
    #expect(fcntl(ends.writing, F_GETFL) & O_NONBLOCK == 0, "the flags of a shared description changed")
    var bytes = [UInt8](repeating: 0, count: 100_000)
    #expect(read(ends.reading, &bytes, bytes.count) >= 1000)
    let before = output.failures
    #expect(output.write(line) && output.failures == before, "a reader that reads again is not written to")
  }

  @Test("a message whose reader is gone, whose disk is full or whose descriptor is closed is counted")
  func unwritable() throws {
    let ends = try Self.pipe()
    close(ends.reading)
    let broken = MessageOutput(ends.writing)
    #expect(!broken.write("a\n") && !broken.write("b\n") && broken.failures == 2)
    close(ends.writing)
    let later = try Self.pipe()
    let breaks = MessageOutput(later.writing)
    #expect(breaks.write("a\n"))
    close(later.reading)
    #expect(!breaks.write("b\n") && breaks.failures == 1)
    close(later.writing)
    let full = open("/dev/full", O_WRONLY)
    #expect(!MessageOutput(full).write("a\n"))
    close(full)
    #expect(!MessageOutput(-1).write("a\n"))
    let forReading = open("/dev/null", O_RDONLY)
    #expect(!MessageOutput(forReading).write("a\n"))
    close(forReading)
  }

  @Test("a stream socket whose peer does not read costs messages, no time")
  func fullSocket() throws {
    var ends: [Int32] = [-1, -1]
    try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
    defer { for end in ends { close(end) } }
    let output = MessageOutput(ends[0])
    let line = String(repeating: "x", count: 9999) + "\n"
    for _ in 0..<1000 { output.write(line) }
    #expect(output.failures > 0 && output.failures < 1000)
  }

  @Test("a file that others write too gets every message behind what is there")
  func sharedFile() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "messages-\(UUID().uuidString)").path
    defer { unlink(path) }
    let file = open(path, O_WRONLY | O_CREAT, 0o600)
    defer { close(file) }
    let output = MessageOutput(file)
    #expect(output.write("a\n"))
    _ = write(file, "b\n", 2)
    #expect(output.write("c\n"))
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "a\nb\nc\n")
  }
}
