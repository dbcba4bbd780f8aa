import Glibc

/// Names and places of a recording's files.
enum RecordingPaths {
  static let eventsName = "events.sqlite"
  /// Of segments and of starts: three hundred years of ten-second ones. A file may hold any number.
  static let largestNumber = 1_000_000_000
  private static let prefix = "segment-"
  private static let suffix = ".sqlite"

  static func segmentName(_ number: Int) -> String {
    let digits = String(number)
    return prefix + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + suffix
  }

  static func segmentNumber(_ name: String) -> Int? {
    guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
    guard let number = Int(name.dropFirst(prefix.count).dropLast(suffix.count)),
      (0...largestNumber).contains(number)
    else { return nil }
    return number
  }

  /// Numbers and paths of the segments in a directory, in their order.
  static func segments(in directory: String) throws(RecordingError) -> [(number: Int, path: String)] {
    try names(in: directory)
      .compactMap { name in segmentNumber(name).map { ($0, directory + "/" + name) } }
      .sorted { $0.0 < $1.0 }
  }

  /// The run whose last ticks a file holds, by its name; "" of memory that could not be read, nil of any
  /// other file.
  static func blackBoxRun(_ name: String) -> String? {
    let prefix = "blackbox-"
    guard name.hasPrefix(prefix) else { return nil }
    if name.hasSuffix(".raw") { return "" }
    guard name.hasSuffix(suffix), let end = name.lastIndex(of: "-") else { return nil }
    let run = String(name[..<end].dropFirst(prefix.count))
    return isRunID(run) ? run : nil
  }

  /// Names in a directory, sorted, without hidden ones.
  static func names(in directory: String) throws(RecordingError) -> [String] {
    guard let stream = opendir(directory) else { throw .directory(path: directory, errno: errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { start in
        start.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  /// The directory that a file is in.
  static func directory(of path: String) -> String {
    let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(
      separator: "/")
    return directory.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : directory
  }

  static func isDirectory(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Whether something is a regular file, perhaps through a link.
  static func isFile(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  /// Creates a directory with its parents and makes sure that files can be created in it.
  static func createDirectory(_ path: String) throws(RecordingError) {
    var parent = path.hasPrefix("/") ? "/" : ""
    for component in path.split(separator: "/") {
      parent += component
      if mkdir(parent, 0o755) != 0 {
        let reason = errno
        // EROFS and EACCES of a parent that exists do not matter: the last directory decides.
        guard reason == EEXIST || isDirectory(parent) else { throw .directory(path: parent, errno: reason) }
      }
      parent += "/"
    }
    guard isDirectory(path) else { throw .directory(path: path, errno: ENOTDIR) }
    guard access(path, W_OK | X_OK) == 0 else { throw .directory(path: path, errno: errno) }
  }

  /// The run identifier becomes a directory's name and an MQTT payload: one plain word.
  static func isRunID(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
