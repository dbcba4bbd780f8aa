import Foundation
import Wire

/// Whether a copy of a store is whole.
package enum BackupCheck {
  private static let blocksPerRead: Int64 = 100

  /// Looks at the file's pages, its version, the audit's chain and every block's hash.
  /// - Returns: what it holds, in words.
  package static func verify(_ path: String) async throws(StoreError) -> String {
    guard FileManager.default.fileExists(atPath: path) else { throw .unavailable("there is no such file") }
    let store = try SQLiteStore(path: path)
    defer { Task { await store.close() } }
    let pages = try await store.read { (session) throws(StoreError) in
      try session.row("PRAGMA integrity_check")?.text("integrity_check") ?? "nothing"
    }
    guard pages == "ok" else { throw .contradiction(pages) }
    try await Migrations.check(store)
    if let number = try await Audit.verify(store) {
      throw .contradiction("row \(number) of the audit does not fit the one before")
    }
    var count = 0
    while true {
      let place = Int64(count)
      let blocks = try await store.read { (session) throws(StoreError) in
        var blocks: [[UInt8]] = []
        for row in try session.rows(
          "SELECT bytes FROM {telemetry.blocks} ORDER BY hand_id, run_id, first_sequence LIMIT $1 OFFSET $2",
          .integer(blocksPerRead), .integer(place))
        { blocks.append(try row.bytes("bytes")) }
        return blocks
      }
      for bytes in blocks {
        do throws(TickBlockError) { _ = try TickBlock(bytes: bytes) } catch {
          throw .contradiction("a block is not as it was stored: \(error)")
        }
      }
      count += blocks.count
      if blocks.isEmpty { return "whole: \(count) blocks, each with its hash, and the audit's chain" }
    }
  }
}
