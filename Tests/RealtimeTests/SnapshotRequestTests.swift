import Testing

@testable import Realtime

@Suite("A block filled on request")
struct SnapshotRequestTests {
  @Test("is wanted once it is asked for, belongs to the asker once filled, and can then be asked for again")
  func cycle() {
    let block = SnapshotRequest(byteCount: 16)
    #expect(!block.isRequested)
    #expect(block.filled == nil)
    for tag in UInt64(7)...9 {
      #expect(block.request())
      #expect(!block.request(), "one request at a time")
      #expect(block.isRequested)
      #expect(block.filled == nil)
      block.memory.storeBytes(of: tag * 3, toByteOffset: 8, as: UInt64.self)
      block.finish(tag: tag)
      #expect(!block.isRequested)
      #expect(!block.request(), "what was filled was not taken yet")
      #expect(block.filled?.tag == tag)
      #expect(block.filled?.bytes.load(fromByteOffset: 8, as: UInt64.self) == tag * 3)
      block.release()
      #expect(block.filled == nil)
    }
  }
}
