import Glibc

/// The Linux capabilities that matter here, by their bit in `CapEff` (capabilities(7)).
struct Capabilities: OptionSet {
  let rawValue: UInt64

  static let lockMemory = Capabilities(rawValue: 1 << 14)
  static let niceness = Capabilities(rawValue: 1 << 23)

  /// What the calling thread is allowed now; nothing when /proc cannot be read.
  static func ofThisThread() -> Capabilities {
    guard let status = SystemFile.read("/proc/thread-self/status"),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("CapEff:") }),
      let word = line.split(whereSeparator: \.isWhitespace).last,
      let bits = UInt64(word, radix: 16)
    else { return [] }
    return Capabilities(rawValue: bits)
  }
}
