"""A headless Chromium."""

import shutil
from contextlib import contextmanager

import pytest

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,1100")


@contextmanager
def chromium():
    """A driver of Chromium, closed at the end; skips where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    service = pytest.importorskip("selenium.webdriver.chrome.service")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=service.Service(driver))
    try:
        yield started
    finally:
        started.quit()


def load(driver, page):
    """Open the file ``page``; returns the seconds until its text, pictures and tables were there."""
    driver.get(page.as_uri())
    wait(driver, "return document.documentElement.dataset.ready !== undefined")
    return driver.execute_script("return +document.documentElement.dataset.ready") / 1000


def drawn(driver):
    """Wait until a chart is drawn; returns the seconds since the page was opened."""
    wait(driver, "return document.querySelector('figure[data-drawn] .main-svg') !== null")
    return driver.execute_script("return performance.now()") / 1000


def wait(driver, condition, *arguments):
    """Wait until ``condition``, a script with ``arguments``, returns true."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 60, poll_frequency=0.05).until(lambda each: each.execute_script(condition, *arguments))
