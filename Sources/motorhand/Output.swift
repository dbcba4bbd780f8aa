import ArgumentParser
import Foundation
import HandModel
import Realtime

/// Why a command ends, in words, and with which code. Thrown, and told by `MotorHand.main`: to standard
/// error, with `--json` as an object on standard output too.
struct Failure: Error, CustomStringConvertible {
  var description: String
  var code: ExitCode

  init(_ reason: some CustomStringConvertible, _ code: ExitCode) {
    description = reason.description
    self.code = code
  }
}

/// Prints to standard output, the one place that does but for the live view and the CSV export.
///
/// Throws when it cannot be written: a program that reads an empty answer must not take exit 0 for it. A
/// reader that has seen enough, such as head, ends the command by SIGPIPE as it ends every other.
func emit(_ text: some CustomStringConvertible, terminator: String = "\n") throws(Failure) {
  do { try writeAll((text.description + terminator).printable, to: STDOUT_FILENO) } catch {
    throw Failure("standard output cannot be written: \(error)", Exit.failure)
  }
}

/// Writes all of a text, and waits for room where the descriptor does not.
func writeAll(_ text: String, to descriptor: Int32) throws(Errno) {
  let bytes = Array(text.utf8)
  var written = 0
  while written < bytes.count {
    let count = bytes[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count < 0 && errno == EINTR { continue }
    if count < 0 && errno == EAGAIN {
      var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      _ = poll(&room, 1, -1)
      continue
    }
    guard count > 0 else { throw count < 0 ? .latest : .ioError }
    written += count
  }
}

/// Prints a value as JSON that people can read, keys in alphabetical order.
func printJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  try emit(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// Prints a message to standard error.
func complain(_ message: some CustomStringConvertible) {
  writeError("motorhand: \(message)\n".printable)
}

/// Writes to standard error as far as that is possible: what cannot be said there changes no exit code.
func writeError(_ text: String) {
  let before = signal(SIGPIPE, SIG_IGN)
  defer { signal(SIGPIPE, before) }
  try? writeAll(text, to: STDERR_FILENO)
}

/// Writes a drawing to a file that the user named: whole or not at all. A device, a pipe or a link stays what
/// it is and is written through, since a whole file comes by renaming, which would take its place.
func write(svg: String, to path: String) throws(Failure) {
  func failure(_ reason: String) -> Failure {
    Failure("\(path): cannot be written (\(reason)); name a file in a writable folder", Exit.failure)
  }
  var status = stat()
  guard lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG else {
    do { try svg.write(toFile: path, atomically: true, encoding: .utf8) } catch {
      throw failure(error.localizedDescription)
    }
    return
  }
  do throws(Errno) {
    let file = try Descriptor(
      opening: path, .writeOnly, [.create, .truncate, .init(rawValue: O_NOCTTY)],
      permissions: .init(rawValue: 0o666))
    try writeAll(svg, to: file.value)
  } catch {
    throw failure(error.description)
  }
}
