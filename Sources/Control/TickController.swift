import HandModel

/// What runs in the control loop: a pure step from what a tick sees to what the actuators are told, and a
/// record of both. The hand's controller is one, the steps of a calibration are others: all of them get the
/// same buses, drive-enable line, e-stop, commands, recordings and black box.
///
/// A tick must not allocate, lock or call the system. The loop owns its controller and calls it from one
/// thread.
package protocol TickController: ~Copyable {
  /// Number of the tick that comes next, counted from 0.
  var sequence: UInt64 { get }
  /// Number of the last command that was looked at, executed or refused; 0 = none.
  var handledCommand: UInt32 { get }
  /// What that command came to.
  var lastResult: CommandResult { get }

  /// Runs one tick. Every part of `record` and `actuators` that belongs to a joint of the hand is written.
  /// - Parameter actuators: `enabled` decides about the drive-enable line. Outputs must be off in the tick
  ///   that sees a
  ///   stop, and in the one that is told to be the last.
  mutating func tick(
    _ inputs: UnsafePointer<TickInputs>, record: UnsafeMutablePointer<TickRecord>,
    actuators: UnsafeMutablePointer<ActuatorCommand>)

  /// Bytes of a checkpoint, from which a replay may go on; 0 = this controller makes none.
  var checkpointByteCount: Int { get }
  /// Begins a checkpoint of the state after the last tick.
  /// - Parameter memory: `checkpointByteCount` bytes.
  func beginCheckpoint(_ memory: UnsafeMutableRawPointer)
  /// Goes on with it, once a tick.
  /// - Parameter step: 0, 1, 2 … since `beginCheckpoint`.
  /// - Returns: whether it is complete.
  func continueCheckpoint(_ memory: UnsafeMutableRawPointer, step: Int) -> Bool
}
