"""Linear layers in arrays of 5-state domain walls, trained in situ on 8x8 handwritten digits."""

import argparse
import json
import time

import torch
from spinloom import device, load, nn, optim
from spinloom.train import data

WALL = device("domain_wall", states=5, sigma=0.2)


def in_arrays(inputs: int) -> torch.nn.Module:
    return torch.nn.Sequential(
        nn.Linear(inputs, 32, device=WALL), nn.ReLU(bits=8), nn.Linear(32, 10, device=WALL, weight_step=-1, z_frac=5))


def in_floats(inputs: int) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(inputs, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))


def train(model, optimizer, scheduler, criterion, samples, epochs: int, batch: int) -> None:
    for _ in range(epochs):
        for x, labels in torch.utils.data.DataLoader(samples, batch, shuffle=True):
            optimizer.zero_grad()
            criterion(model(x), labels).backward()
            optimizer.step()  # write pulses happen here
        scheduler.step()


def accuracy(model, samples) -> float:
    model.eval()
    x, labels = samples.tensors
    with torch.no_grad():
        return round(100 * (model(x).argmax(dim=1) == labels).double().mean().item(), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", help="folder of MNIST, instead of the packaged digits")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--no-baseline", action="store_true", help="leave the float twin out")
    options = parser.parse_args()
    began = time.monotonic()
    sets = data.load(load("mnist-dw5" if options.data else "digits-dw5"), options.data)
    training, test = (torch.utils.data.TensorDataset(torch.from_numpy(part.images).flatten(1) / 256,
                                                     torch.from_numpy(part.labels)) for part in (sets.train, sets.test))
    inputs = training.tensors[0].shape[1]

    torch.manual_seed(options.seed)
    nn.manual_seed(options.seed)
    model = in_arrays(inputs)
    optimizer = optim.InSitu(model, learning_rate_shift=4)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, max(1, options.epochs // 4), gamma=0.5)
    train(model, optimizer, scheduler, nn.CrossEntropy(), training, options.epochs, batch=8)
    counters = [array.crossbar.counters for array in nn.arrays(model)]
    result = {"test_accuracy": accuracy(model, test), "baseline_accuracy": None,
              "write_pulses": sum(each["attempts"] for each in counters), "backend": nn.arrays(model)[0].backend}
    if not options.no_baseline:
        twin = in_floats(inputs)
        adam = torch.optim.Adam(twin.parameters(), lr=0.003)
        train(twin, adam, torch.optim.lr_scheduler.StepLR(adam, max(1, options.epochs // 4), gamma=0.5),
              torch.nn.CrossEntropyLoss(), training, options.epochs, batch=16)
        result["baseline_accuracy"] = accuracy(twin, test)
    result["seconds"] = round(time.monotonic() - began, 1)
    if options.json:
        print(json.dumps(result))
    else:
        print(model)
        for name, value in result.items():
            print(f"{name:20}{value}")


if __name__ == "__main__":
    main()
