import Foundation
import Wire

/// Whether a copy of a store is whole. Nothing is written, to it or beside it.
package enum BackupCheck {
  private static let blocksPerRead: Int64 = 100

  /// Each run's row, and that as many events are there as it names.
  private static func checkRuns(_ store: any Store) async throws(StoreError) {
    try await store.read { (session) throws(StoreError) in
      for row in try session.rows("SELECT hand_id, \(Runs.columns) FROM {telemetry.runs}") {
        let (handID, run) = (try row.text("hand_id"), try Run(row))
        let stored = try session.row(
          "SELECT count(*) AS count FROM {telemetry.hand_events} WHERE hand_id = $1 AND run_id = $2",
          .text(handID),
          .text(run.runID))?.integer("count")
        guard stored == Int64(clamping: run.events.count) else {
          throw .contradiction(
            "hand \(handID), run \(run.runID): \(stored ?? 0) events are there, \(run.events.count) were stored"
          )
        }
      }
    }
  }

  /// Looks at the file's pages, its version, its tables, the audit's chain, every block against its row and
  /// its hash, and every run against its blocks and events.
  /// - Returns: what it holds, in words.
  package static func verify(_ path: String) async throws(StoreError) -> String {
    guard FileManager.default.fileExists(atPath: path) else { throw .unavailable("there is no such file") }
    let store = try SQLiteStore(readingOnly: path)
    defer { Task { await store.close() } }
    let pages = try await store.read { (session) throws(StoreError) in
      try session.row("PRAGMA integrity_check")?.text("integrity_check") ?? "nothing"
    }
    guard pages == "ok" else { throw .contradiction(pages) }
    try await Migrations.check(store)
    if let number = try await Audit.verify(store) {
      throw .contradiction("row \(number) of the audit does not fit the one before")
    }
    try await checkRuns(store)
    var count = 0
    var last: SQLRow?
    repeat {
      let blocks = try await store.part(
        of:
          "SELECT hand_id, run_id, first_sequence, last_sequence, sha256, bytes FROM {telemetry.blocks} WHERE TRUE",
        by: ["hand_id", "run_id", "first_sequence"], after: last, size: blocksPerRead)
      for row in blocks {
        let block: TickBlock
        do throws(TickBlockError) { block = try TickBlock(bytes: row.bytesOrNone("bytes")) } catch {
          throw .contradiction("a block is not as it was stored: \(error)")
        }
        guard try row.text("run_id") == block.key.runID,
          try row.integer("first_sequence") == Int64(clamping: block.key.firstSequence),
          try row.integer("last_sequence") == Int64(clamping: block.key.lastSequence),
          try row.bytes("sha256").elementsEqual(block.sha256)
        else {
          throw .contradiction(
            "the row of run \(block.key.runID), tick \(block.key.firstSequence), is another block's")
        }
      }
      count += blocks.count
      last = blocks.last
    } while last != nil
    return "whole: \(count) blocks, each with its hash, and the audit's chain"
  }
}
