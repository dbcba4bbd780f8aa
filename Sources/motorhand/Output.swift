import ArgumentParser
import Foundation
import HandModel

/// Why a command ends, in words, and with which code. Thrown, and told by `MotorHand.main`: to standard error, with
/// `--json` as an object on standard output too.
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
/// Throws when it cannot be written: a program that reads an empty answer must not take exit 0 for it. A reader that
/// has seen enough, such as head, ends the command by SIGPIPE as it ends every other.
func emit(_ text: some CustomStringConvertible, terminator: String = "\n") throws(Failure) {
  // What the live view has printed comes first.
  fflush(nil)
  let bytes = Array((text.description + terminator).printable.utf8)
  var written = 0
  while written < bytes.count {
    let count = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress! + written, $0.count - written) }
    if count < 0 && errno == EINTR { continue }
    if count < 0 && errno == EAGAIN {
      var room = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
      _ = poll(&room, 1, -1)
      continue
    }
    guard count > 0 else {
      throw Failure("standard output cannot be written: \(String(cString: strerror(errno)))", Exit.failure)
    }
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
  let bytes = Array(text.utf8)
  var written = 0
  while written < bytes.count {
    let count = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress! + written, $0.count - written) }
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else { return }
    written += count
  }
}

/// Writes a drawing to a file that the user named.
func write(svg: String, to path: String) throws(Failure) {
  do {
    try svg.write(toFile: path, atomically: true, encoding: .utf8)
  } catch {
    throw Failure(
      "\(path): cannot be written (\(error.localizedDescription)); name a file in a writable folder",
      Exit.failure)
  }
}
