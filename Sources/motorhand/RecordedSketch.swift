import HandModel
import Recording
import Replay

extension HandSketch {
  /// The recorded hand by its own files; by the names of its joints alone, with a note, where this version
  /// cannot read them.
  init(_ recording: Recording) {
    do throws(ReplayError) {
      let joints = try Self.joints(recording)
      self.init(name: recording.handID, joints: joints)
    } catch {
      complain("note: \(error); the drawn hand has no limits and is put together by the names of its joints")
      self.init(
        name: recording.handID,
        joints: recording.jointNames.map {
          Joint(name: $0, finger: nil, range: -Double.pi...Double.pi, radiansPerSecond: 0, newtonMetres: 0)
        })
    }
  }

  private static func joints(_ recording: Recording) throws(ReplayError) -> [Joint] {
    let files = try RecordedFiles(recording)
    guard files.board.joints.map(\.name) == recording.jointNames else {
      throw .files(path: recording.path, reason: "its board has other joints than its ticks")
    }
    return zip(files.board.joints, files.calibration.joints).map { wiring, calibration in
      let limits = calibration.limits
      return Joint(
        name: wiring.name, finger: wiring.finger, range: limits.lowerRadians...limits.upperRadians,
        radiansPerSecond: limits.radiansPerSecond, newtonMetres: calibration.drive.largestNewtonMetres)
    }
  }
}

extension DriveCalibration {
  /// Largest torque; 0 of a servo, which tells none.
  fileprivate var largestNewtonMetres: Double {
    switch self {
    case .motor(let drive): drive.torqueLimitNewtonMetres
    case .servo: 0
    }
  }
}
