// certificate-samples nominal|uncertain|coupled SEED COUNT, certificate-samples simulate SEED COUNT TICKS

let words = CommandLine.arguments
switch (words.dropFirst().first, words.dropFirst(2).compactMap { UInt64($0) }) {
case ("nominal", let numbers) where numbers.count == 2: printNominal(seed: numbers[0], count: Int(numbers[1]))
case ("uncertain", let numbers) where numbers.count == 2:
  printUncertain(seed: numbers[0], count: Int(numbers[1]))
case ("coupled", let numbers) where numbers.count == 2: printCoupled(seed: numbers[0], count: Int(numbers[1]))
case ("simulate", let numbers) where numbers.count == 3:
  simulate(seed: numbers[0], count: Int(numbers[1]), ticks: Int(numbers[2]))
default: fatalError("expected nominal|uncertain|coupled SEED COUNT or simulate SEED COUNT TICKS")
}
