import Foundation
import Glibc
import Testing

@testable import motorhand

@Suite("Drawings")
struct OutputTests {
  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "motorhand-output-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
  }

  private func kind(_ path: String, following: Bool = false) throws -> mode_t {
    var status = stat()
    try #require((following ? stat(path, &status) : lstat(path, &status)) == 0)
    return status.st_mode & S_IFMT
  }

  @Test("a drawing comes whole into a new file and in place of an old one")
  func files() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "plot.svg").path
    for drawing in ["<svg>long</svg>", "<svg/>"] {
      try write(svg: drawing, to: path)
      #expect(try String(contentsOfFile: path, encoding: .utf8) == drawing)
    }
  }

  @Test("a pipe stays a pipe, and the drawing goes through it")
  func pipe() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "pipe").path
    try #require(mkfifo(path, 0o600) == 0)
    let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    try #require(reader >= 0)
    defer { close(reader) }
    try write(svg: "<svg/>", to: path)
    #expect(try kind(path) == S_IFIFO)
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = read(reader, &bytes, bytes.count)
    #expect(String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self) == "<svg/>")
  }

  @Test("a text longer than a full pipe that does not wait comes whole, when its reader gets to it")
  func nonblocking() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    var ends: [Int32] = [-1, -1]
    try #require(Glibc.pipe(&ends) == 0)
    let (reader, writer) = (FileHandle(fileDescriptor: ends[0], closeOnDealloc: true), ends[1])
    try #require(fcntl(writer, F_SETFL, O_NONBLOCK) == 0)
    let text = String(repeating: "motorhand ", count: 100_000)
    Thread.detachNewThread {
      #expect(throws: Never.self) { try writeAll(text, to: writer) }
      close(writer)
    }
    usleep(50_000)
    #expect(try reader.readToEnd() == Data(text.utf8))
  }

  @Test("a link to a device stays a link, and the device a device")
  func device() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "null").path
    try #require(symlink("/dev/null", path) == 0)
    try write(svg: "<svg/>", to: path)
    #expect(try kind(path) == S_IFLNK)
    #expect(try kind(path, following: true) == S_IFCHR)
  }

  @Test("a drawing that no folder takes is a failure that names the path")
  func nowhere() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "missing/plot.svg").path
    let failure = try #require(throws: Failure.self) { try write(svg: "<svg/>", to: path) }
    #expect(failure.description.contains(path))
  }
}
