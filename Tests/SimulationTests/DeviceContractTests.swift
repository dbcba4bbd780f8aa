import DeviceContracts
import Devices
import HandModel
import Simulation
import Testing

/// Every driver does the same on simulated chips as on the kernel's stub. Golden values: `DeviceContract.source`.
@Suite("Device contracts")
struct DeviceContractTests {
  /// The chip in the contract's situation.
  private func simulatedChip(_ contract: DeviceContract) -> SimulatedChip {
    let address = contract.address
    switch contract.chip {
    case "AS5600":
      let chip = SimulatedAS5600(address: address) { _ in 0x09FF }
      chip.setMagnet(MagnetHealth(status: 0x20, automaticGain: 0x40, magnitude: 0x0800))
      return chip
    case "AS5048B":
      let chip = SimulatedAS5048B(address: address) { _ in 200 * 64 + 42 }
      chip.setDiagnostics(AS5048BDiagnostics(flags: 0x01, automaticGain: 0x80, magnitude: 5000))
      return chip
    case "MT6701": return SimulatedMT6701(address: address) { _ in 200 * 64 + 42 }
    case "TCA9548A": return SimulatedTCA9548A(address: address)
    case "ADS1115":
      return SimulatedADS1115(
        address: address, inputs: [{ _ in 2.048 }, { _ in 0 }, { _ in 0 }, { _ in 0 }])
    case "ADS7830":
      // In the middle of a count.
      return SimulatedADS7830(
        address: address, inputs: (0..<8).map { input in { _ in (Double(16 * input) + 0.5) * 2.5 / 256 } })
    case "INA226":
      return SimulatedINA226(
        address: address, shuntOhms: 0.002, current: { _ in 10 }, busVolts: { _ in 11.98 })
    case "INA219":
      return SimulatedINA219(
        address: address, shuntOhms: 0.002, current: { _ in 10 }, busVolts: { _ in 11.98 })
    case "PCA9685": return SimulatedPCA9685(address: address)
    case "MPU6050":
      let chip = SimulatedMPU6050(address: address)
      let gravity = 9.80665
      let rate = 100 * Double.pi / 180
      chip.setMotion(
        InertialSample(
          accelerationMetresPerSecondSquared: Vector3(x: gravity, y: -gravity, z: 0),
          rotationRadiansPerSecond: Vector3(x: rate, y: -rate, z: 0)))
      return chip
    default: fatalError("no simulated \(contract.chip)")
    }
  }

  @Test("each driver keeps its contract with its simulated chip", arguments: DeviceContract.all)
  func simulated(contract: DeviceContract) throws {
    let bus = makeBus()
    bus.attach(simulatedChip(contract))
    if contract.chip == "AS5600" {
      // Watchdog on, hysteresis 1 LSB, as in the contract's registers.
      try bus.writeWordData(I2CAddress(contract.address), register: 0x07, UInt16(0x2004).byteSwapped)
    }
    #expect(contract.findings(on: bus) == [])
  }

  @Test(
    "each driver keeps its contract with the register semantics of i2c-stub", arguments: DeviceContract.all)
  func stub(contract: DeviceContract) throws {
    let bus = StubBus(addresses: DeviceContract.all.map(\.address))
    for other in DeviceContract.all { try other.preloadStub(on: bus) }
    #expect(contract.findings(on: bus) == [])
  }

  @Test(
    "a contract is broken by an absent chip and by registers that are all zero", arguments: DeviceContract.all
  )
  func broken(contract: DeviceContract) {
    #expect(contract.findings(on: StubBus(addresses: [])) != [])
    // The PCA9685 is written only, whatever it held before.
    if contract.chip != "PCA9685" {
      #expect(contract.findings(on: StubBus(addresses: [contract.address])) != [])
    }
  }

  @Test("no two contracts share an address, so that one i2c-stub of ten chips carries them all")
  func addresses() {
    #expect(Set(DeviceContract.all.map(\.address)).count == DeviceContract.all.count)
    #expect(DeviceContract.all.count <= 10)
  }
}
