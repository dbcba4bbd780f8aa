/// One frame of MAVLink 2, without what its place on the wire adds.
/// Source: mavlink.io, "Serialization".
package struct MAVLinkFrame: Sendable, Equatable {
  /// First byte of a frame.
  static let marker: UInt8 = 0xFD
  /// First byte of a frame of version 1, which has no place for half of the messages.
  static let markerOfVersion1: UInt8 = 0xFE
  /// Marker, length, two words of flags, sequence, system, component, message.
  static let headerBytes = 10
  static let checksumBytes = 2
  static let signatureBytes = 13
  /// The one flag of those that a reader must know or drop the frame.
  static let isSigned: UInt8 = 0x01
  /// The longest payload, as its length is one byte.
  package static let maximumPayloadBytes = 255

  /// Counts the frames of a sender, and wraps.
  package var sequence: UInt8
  /// Who sent it: a vehicle or station, 1 to 255.
  package var systemID: UInt8
  /// Its part that sent it (MAV_COMPONENT).
  package var componentID: UInt8
  /// 24 bits.
  package var messageID: UInt32
  /// In full length: zeros at its end, which are not sent, are there.
  package var payload: [UInt8]

  package init(
    sequence: UInt8, systemID: UInt8, componentID: UInt8, messageID: UInt32, payload: [UInt8]
  ) {
    self.sequence = sequence
    self.systemID = systemID
    self.componentID = componentID
    self.messageID = messageID
    self.payload = payload
  }

  /// The frame as it is sent, unsigned.
  /// - Parameter checksumExtra: of the message's definition.
  func encoded(checksumExtra: UInt8) -> [UInt8] {
    precondition(payload.count <= Self.maximumPayloadBytes, "a payload has at most 255 bytes")
    // The first byte is sent whatever it is.
    let sent = payload.prefix(max(1, (payload.lastIndex { $0 != 0 } ?? 0) + 1))
    var bytes: [UInt8] = [
      Self.marker, UInt8(sent.count), 0, 0, sequence, systemID, componentID,
      UInt8(truncatingIfNeeded: messageID), UInt8(truncatingIfNeeded: messageID >> 8),
      UInt8(truncatingIfNeeded: messageID >> 16),
    ]
    bytes += sent
    var checksum = MAVLinkChecksum()
    for byte in bytes.dropFirst() { checksum.add(byte) }
    checksum.add(checksumExtra)
    bytes.append(UInt8(truncatingIfNeeded: checksum.value))
    bytes.append(UInt8(truncatingIfNeeded: checksum.value >> 8))
    return bytes
  }
}

/// CRC-16/MCRF4XX.
struct MAVLinkChecksum {
  private(set) var value: UInt16 = 0xFFFF

  mutating func add(_ byte: UInt8) {
    var low = byte ^ UInt8(truncatingIfNeeded: value)
    low ^= low << 4
    value = value >> 8 ^ UInt16(low) << 8 ^ UInt16(low) << 3 ^ UInt16(low) >> 4
  }
}

/// Finds the frames in datagrams, and counts what is none.
package struct MAVLinkReader: Sendable {
  /// What was not understood, since the start.
  package struct Refused: Sendable, Equatable {
    /// Bytes outside of any frame, those of frames of version 1 included.
    package var strayBytes = 0
    /// Frames that their datagram cuts off.
    package var cutOff = 0
    /// Frames whose checksum is wrong.
    package var badChecksum = 0
    /// Frames with flags that nobody here knows.
    package var unknownFlags = 0
    /// Messages that this program has no definition of, so that their checksum cannot be checked.
    package var unknownMessage = 0

    package init() {}
  }

  package private(set) var refused = Refused()

  package init() {}

  /// The frames of one datagram, in their order. A signature is passed over: who may send is decided by
  /// address and port here.
  package mutating func frames(in datagram: [UInt8]) -> [MAVLinkFrame] {
    var frames: [MAVLinkFrame] = []
    var place = 0
    while place < datagram.count {
      guard datagram[place] == MAVLinkFrame.marker else {
        refused.strayBytes += 1
        place += 1
        continue
      }
      guard datagram.count - place >= MAVLinkFrame.headerBytes else {
        refused.cutOff += 1
        break
      }
      let flags = datagram[place + 2]
      let payloadEnd = place + MAVLinkFrame.headerBytes + Int(datagram[place + 1])
      let end =
        payloadEnd + MAVLinkFrame.checksumBytes
        + (flags & MAVLinkFrame.isSigned == 0 ? 0 : MAVLinkFrame.signatureBytes)
      guard end <= datagram.count else {
        refused.cutOff += 1
        // A byte that only looked like a marker must not hide the frames behind it.
        place += 1
        continue
      }
      switch check(datagram[place..<payloadEnd + MAVLinkFrame.checksumBytes], flags) {
      case .frame(let frame):
        frames.append(frame)
        place = end
      case .passedOver: place = end
      case .damaged: place += 1
      }
    }
    return frames
  }

  private enum Finding {
    case frame(MAVLinkFrame)
    case passedOver, damaged
  }

  private mutating func check(_ bytes: ArraySlice<UInt8>, _ flags: UInt8) -> Finding {
    let header = Array(bytes.prefix(MAVLinkFrame.headerBytes))
    let messageID = UInt32(header[7]) | UInt32(header[8]) << 8 | UInt32(header[9]) << 16
    guard let definition = MAVLinkMessage.definitions[messageID] else {
      refused.unknownMessage += 1
      return .passedOver
    }
    var checksum = MAVLinkChecksum()
    for byte in bytes.dropFirst().dropLast(MAVLinkFrame.checksumBytes) { checksum.add(byte) }
    checksum.add(definition.checksumExtra)
    let sent = bytes.suffix(MAVLinkFrame.checksumBytes).reversed().reduce(0 as UInt16) {
      $0 << 8 | UInt16($1)
    }
    guard checksum.value == sent else {
      refused.badChecksum += 1
      return .damaged
    }
    guard flags & ~MAVLinkFrame.isSigned == 0 else {
      refused.unknownFlags += 1
      return .passedOver
    }
    var payload = Array(
      bytes.dropFirst(MAVLinkFrame.headerBytes).dropLast(MAVLinkFrame.checksumBytes).prefix(definition.bytes))
    payload += repeatElement(0, count: definition.bytes - payload.count)
    return .frame(
      MAVLinkFrame(
        sequence: header[4], systemID: header[5], componentID: header[6], messageID: messageID,
        payload: payload))
  }
}
