"""The app, on a desktop and on a Space: `python app.py`, then open the address that it prints."""

from dfexplain import ui

demo = ui.build()

if __name__ == "__main__":
    ui.launch(demo)
