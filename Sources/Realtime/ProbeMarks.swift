import CRealtime

/// The marks between which the proof library watches the calling thread (docs/realtime.md, "Proof").
///
/// Without that library preloaded the marks do nothing.
package struct ProbeMarks: Sendable {
  private typealias Mark = @convention(c) () -> Void
  private let beginMark: Mark?
  private let endMark: Mark?

  /// Looks the library up; takes locks, so do it before the loop.
  package init() {
    beginMark = Self.find("motorhand_probe_begin")
    endMark = Self.find("motorhand_probe_end")
  }

  /// Whether the process runs under the proof library.
  package var isProbed: Bool { beginMark != nil && endMark != nil }

  /// From here to `end()` each allocation, lock and forbidden system call of this thread counts.
  package func begin() { beginMark?() }

  /// Ends the watch and writes the report.
  package func end() { endMark?() }

  private static func find(_ name: String) -> Mark? {
    crealtime_find_symbol(name).map { unsafeBitCast($0, to: Mark.self) }
  }
}
